//! `mcp`: the tools of an assistant, on standard input and standard output.

use std::io::IsTerminal;

use countersign_api::Reach;
use countersign_api::mcp::{Reads, Tools, serve};

use super::context::Context;
use crate::args::Mcp;
use crate::failure::Failure;
use crate::output::{note, protocol_output};

pub(super) async fn run(context: &Context, args: Mcp) -> Result<(), Failure> {
    for name in &args.integration {
        context.integration(Some(name)).await?;
    }
    let reach = match args.integration.is_empty() {
        true => Reach::Everything,
        false => Reach::Integrations(args.integration),
    };
    if std::io::stdin().is_terminal() {
        note(
            "an assistant starts this command and talks to it: see docs/how-to/let-an-assistant-ask.md; Ctrl-D ends it",
        );
    }
    let reads = Reads {
        store: context.store().clone(),
        clock: context.connector.clock.clone(),
        policy: context.config.watch.policy(),
    };
    let tools = Tools { reads, reach };
    let served = serve(tools, Box::new(tokio::io::stdin()), Box::new(protocol_output())).await;
    served.map_err(|error| {
        Failure::usage(format!("this is not the Model Context Protocol: {error}")).with_hint(
            "an assistant starts `countersign mcp`; docs/how-to/let-an-assistant-ask.md has its configuration",
        )
    })
}
