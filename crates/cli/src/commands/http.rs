//! `sign` and `http`.

use std::io::Read;
use std::path::Path;

use countersign_client::{Method, Repeat};
use countersign_signing::{Request, Signer, split_url};

use super::context::{Context, parse_url};
use crate::args::{Http, Sign};
use crate::failure::Failure;
use crate::forms::{enter_telling, machine};
use crate::output::{note, print, print_data, printable};
use crate::system;

const MAX_BODY_BYTES: u64 = 16 << 20;

/// Prints the header's value for this URL as it is written, character by
/// character; an empty path counts as `/`, which is what clients send.
pub(crate) async fn sign(context: &Context, args: Sign) -> Result<(), Failure> {
    let is_any = !context.store().integrations().await?.is_empty();
    let pair = if args.integration.is_some() || is_any {
        let integration = context.integration(args.integration.as_deref()).await?;
        context.pair_of(&integration).await?
    } else {
        let written = machine().first(None)?.written;
        enter_telling(&written.id, &written.secret)?
    };
    if !args.url.starts_with("https://") && !args.url.starts_with("http://") {
        return Err(Failure::usage(format!("`{}` is not an absolute URL", args.url)));
    }
    let (host, target) = split_url(&args.url).map_err(Failure::usage)?;
    let target = match target {
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        target => target.to_owned(),
    };
    let mut nonce = [0; 16];
    (system::random())(&mut nonce);
    let now_ms = u64::try_from(context.now()).unwrap_or_default();
    let header = Signer::new(&pair)
        .authorize(&Request::new(&args.method, host, &target), now_ms, &nonce)
        .map_err(Failure::usage)?;
    print(&format!("{header}\n"))
}

pub(crate) async fn request(context: &Context, args: Http) -> Result<(), Failure> {
    let integration = context.integration(args.integration.as_deref()).await?;
    let target = match args.url.starts_with('/') {
        true => args.url.clone(),
        false => {
            let (url, own) = (parse_url(&args.url)?, parse_url(&integration.url)?);
            if url.origin() != own.origin() {
                return Err(Failure::usage(format!(
                    "`{}` is not on `{}`, and nothing is signed for another host",
                    args.url, integration.url
                )));
            }
            match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            }
        }
    };
    let method = args.method.to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Failure::usage(format!("`{}` is not an HTTP method", args.method)))?;
    let body = args.body.as_deref().map(read_body).transpose()?;
    let repeat = if method == Method::GET { Repeat::Safe } else { Repeat::Never };
    let client = context.client_of(&integration, "http")?;
    let response = client.request(method, &target, body, repeat).await?;
    if args.verbose {
        note(&response.status.to_string());
        for (name, value) in &response.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            note(&format!("{name}: {}", printable(&value)));
        }
    }
    let mut body = response.body.to_vec();
    if !body.is_empty() && !body.ends_with(b"\n") {
        body.push(b'\n');
    }
    print_data(&body)
}

fn read_body(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let failed = |error| Failure::usage(format!("failed to read `{}`: {error}", path.display()));
    if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_BODY_BYTES).read_to_end(&mut body)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_BODY_BYTES).read_to_end(&mut body).map_err(failed)?;
    }
    Ok(body)
}
