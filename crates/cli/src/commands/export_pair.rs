//! `credentials export`: a pair where other tools look for it.

use countersign_connector::keyfiles::{DEFAULT_PROFILE, Form, Written};
use std::io::IsTerminal;
use std::path::Path;

use countersign_files::{self as files, Folders};

use super::context::Context;
use crate::args::{ExportPair, PairFormat};
use crate::failure::Failure;
use crate::output::{note, print_data};

pub(crate) async fn run(context: &Context, args: ExportPair) -> Result<(), Failure> {
    let form = Form::from(args.format);
    if form != Form::Ini && args.profile != DEFAULT_PROFILE {
        return Err(Failure::usage(
            "only `--format ini` has profiles\nhint: leave out `--profile`",
        ));
    }
    let is_stdout = args.output == Path::new("-");
    if is_stdout && std::io::stdout().is_terminal() {
        return Err(Failure::usage(
            "a Secret Key is not shown on a terminal\nhint: give `--output FILE`, or pipe it where it goes",
        ));
    }
    let integration = context.integration(Some(&args.name)).await?;
    let pair = Written::of(&context.pair_of(&integration).await?, &integration.url);
    if is_stdout {
        let text = form.write("", &args.profile, &pair).map_err(Failure::usage)?;
        return print_data(text.as_bytes());
    }
    let edit = |text: &str| form.write(text, &args.profile, &pair);
    files::edit(&args.output, Folders::Sticky, &*context.connector.random, edit)
        .map_err(Failure::named)?;
    let section = match args.format {
        PairFormat::Ini => format!(" [{}]", args.profile),
        _ => String::new(),
    };
    note(&format!(
        "the API credentials of `{}` are in `{}`{section}",
        args.name,
        args.output.display()
    ));
    Ok(())
}
