//! The peer: the crate `veracode-platform`. It comes with a second TLS library, which takes
//! longer to compile than the rest of the benchmarks; who only checks that they compile does so
//! with `--no-default-features`.

#[cfg(feature = "peer")]
pub use with::{read_all, signer};
#[cfg(not(feature = "peer"))]
pub use without::{read_all, signer};

#[cfg(feature = "peer")]
mod with {
    use veracode_platform::findings::FindingsQuery;
    use veracode_platform::{VeracodeClient, VeracodeConfig};

    /// What makes the header of a GET of a URL.
    pub fn signer(id: &str, secret: &str) -> anyhow::Result<impl Fn(&str) -> String> {
        let client = VeracodeClient::new(VeracodeConfig::new(id, secret))?;
        Ok(move |url: &str| client.generate_auth_header("GET", url).expect("signs"))
    }

    /// Reads all static findings, in a process of its own.
    pub async fn read_all() -> anyhow::Result<()> {
        let mut config =
            VeracodeConfig::new(&std::env::var("PEER_ID")?, &std::env::var("PEER_SECRET")?);
        config.base_url = std::env::var("PEER_URL")?;
        config.rest_base_url = config.base_url.clone();
        let client = VeracodeClient::new(config)?;
        let (mut findings, mut failed) = (0, 0);
        for application in client.get_all_applications().await? {
            let query = FindingsQuery::new(&application.guid).with_scan_type("STATIC");
            match client.findings_api().get_all_findings(&query).await {
                Ok(all) => findings += all.len(),
                // It fails to read the answer to an application without findings.
                Err(_) => failed += 1,
            }
        }
        println!("{}", serde_json::json!({ "findings": findings, "failed": failed }));
        Ok(())
    }
}

#[cfg(not(feature = "peer"))]
mod without {
    const MISSING: &str = "built without the peer: build it without --no-default-features";

    pub fn signer(_id: &str, _secret: &str) -> anyhow::Result<fn(&str) -> String> {
        anyhow::bail!(MISSING)
    }

    pub async fn read_all() -> anyhow::Result<()> {
        anyhow::bail!(MISSING)
    }
}
