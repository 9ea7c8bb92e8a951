//! `sign` and `http`.

use std::io::Read;
use std::path::Path;

use countersign_client::{Client, Method, Repeat, Response, Url};
use countersign_signing::{Request, Signer, split_url};
use serde_json::{Value, json};

use super::context::{Context, parse_url};
use super::whose::{Asked, choose};
use crate::advice::CommandLine;
use crate::args::{Http, Sign};
use crate::failure::{Exit, Failure};
use crate::output::{note, print, print_data, print_json, printable};
use crate::system;

const MAX_BODY_BYTES: u64 = 16 << 20;
/// Pages of one list: no list of the service has as many.
const MAX_PAGES: u64 = 10_000;

/// Prints the header's value for this URL as it is written, character by
/// character; an empty path counts as `/`, which is what clients send.
pub(crate) async fn sign(context: &Context, args: Sign) -> Result<(), Failure> {
    if !args.url.starts_with("https://") && !args.url.starts_with("http://") {
        return Err(Failure::usage(format!("`{}` is not an absolute URL", args.url)));
    }
    let (host, target) = split_url(&args.url).map_err(Failure::usage)?;
    let target = match target {
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        target => target.to_owned(),
    };
    let bare = CommandLine::of(&["sign", "--method", &args.method, "--url", &args.url]);
    let asked = Asked {
        name: args.integration.as_deref(),
        url: Some(&parse_url(&args.url)?),
        again: &|name| bare.clone().then(&["--integration", name]),
        is_sent: false,
        bare: bare.clone(),
    };
    let pair = choose(context, &asked).await?.pair(context).await?;
    let mut nonce = [0; 16];
    (system::random())(&mut nonce);
    let now_ms = u64::try_from(context.now()).unwrap_or_default();
    let header = Signer::new(&pair)
        .authorize(&Request::new(&args.method, host, &target), now_ms, &nonce)
        .map_err(Failure::usage)?;
    match args.json {
        true => print_json(&json!({ "authorization": header })),
        false => print(&format!("{header}\n")),
    }
}

pub(crate) async fn request(
    context: &Context,
    args: Http,
    is_verbose: bool,
) -> Result<(), Failure> {
    let method = args.method.to_ascii_uppercase();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Failure::usage(format!("`{}` is not an HTTP method", args.method)))?;
    let url = match args.url.starts_with('/') {
        true => None,
        false => Some(parse_url(&args.url)?),
    };
    let mut bare = CommandLine::of(&["http", method.as_str(), &args.url]);
    if let Some(body) = &args.body {
        bare = bare.then(&["--body"]).and(body.display());
    }
    if args.paginate {
        bare = bare.then(&["--paginate"]);
    }
    let asked = Asked {
        name: args.integration.as_deref(),
        url: url.as_ref(),
        again: &|name| bare.clone().then(&["--integration", name]),
        is_sent: true,
        bare: bare.clone(),
    };
    let client = choose(context, &asked).await?.client(context, "http")?;
    let target = url.as_ref().map_or(args.url.as_str(), |url| target_of(url));
    if args.paginate {
        return pages(&client, &method, target, is_verbose).await;
    }
    let body = args.body.as_deref().map(read_body).transpose()?;
    let repeat = if method == Method::GET { Repeat::Safe } else { Repeat::Never };
    let response = client.request(method, target, body, repeat).await?;
    tell(&response, is_verbose);
    let mut body = response.body.to_vec();
    if !body.is_empty() && !body.ends_with(b"\n") {
        body.push(b'\n');
    }
    print_data(&body)
}

fn target_of(url: &Url) -> &str {
    &url[url::Position::BeforePath..url::Position::AfterQuery]
}

fn tell(response: &Response, is_verbose: bool) {
    if !is_verbose {
        return;
    }
    note(&response.status.to_string());
    for (name, value) in &response.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        note(&format!("{name}: {}", printable(&value)));
    }
}

/// All pages of a list, a document a line: by the link to the next one, which must stay on
/// the service, else by the number of the page.
async fn pages(
    client: &Client,
    method: &Method,
    target: &str,
    is_verbose: bool,
) -> Result<(), Failure> {
    if *method != Method::GET {
        return Err(Failure::usage("only GET has pages\nhint: leave out `--paginate`"));
    }
    let mut target = target.to_owned();
    for _ in 0..MAX_PAGES {
        let response = client.get(&target).await?;
        tell(&response, is_verbose);
        let page: Value = response.json()?;
        print_json(&page)?;
        match next(client, &target, &page)? {
            Some(next) if next != target => target = next,
            _ => return Ok(()),
        }
    }
    Err(Failure::new(
        Exit::Incomplete,
        format!("the list has more than {MAX_PAGES} pages: what follows was not read"),
    ))
}

/// Where the next page is; none after the last.
fn next(client: &Client, target: &str, page: &Value) -> Result<Option<String>, Failure> {
    if let Some(href) = page["_links"]["next"]["href"].as_str() {
        if href.starts_with('/') {
            return Ok(Some(href.to_owned()));
        }
        if !client.is_own(href) {
            return Err(Failure::new(
                Exit::Upstream,
                format!(
                    "the next page is on another host, `{}`, and nothing is signed for that",
                    printable(href)
                ),
            ));
        }
        return Ok(Some(target_of(&parse_url(href)?).to_owned()));
    }
    let (number, pages) = (page["page"]["number"].as_u64(), page["page"]["total_pages"].as_u64());
    let Some((number, _)) = number.zip(pages).filter(|(number, pages)| number + 1 < *pages) else {
        return Ok(None);
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let others = query.split('&').filter(|one| !one.is_empty() && !one.starts_with("page="));
    let query: Vec<_> = others.map(str::to_owned).chain([format!("page={}", number + 1)]).collect();
    Ok(Some(format!("{path}?{}", query.join("&"))))
}

fn read_body(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let failed = |error| Failure::of_file("read", path, &error);
    if path == Path::new("-") {
        std::io::stdin().lock().take(MAX_BODY_BYTES).read_to_end(&mut body)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MAX_BODY_BYTES).read_to_end(&mut body).map_err(failed)?;
    }
    Ok(body)
}
