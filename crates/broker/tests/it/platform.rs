//! In front of a real platform, which checks the signatures.

use countersign_testkit::TestPlatform;

use super::*;

#[tokio::test]
async fn a_platform_answers_who_cannot_sign() {
    let platform = TestPlatform::start("apps=3,findings=30".parse().unwrap()).await;
    let minted = platform.mint("ci", &["resultsapi", "noteamrestrictionapi"]);
    let mut config = ClientConfig::new(Url::parse(&platform.platform.rest_url()).unwrap());
    config.ca_pem = Some(platform.platform.ca_pem().as_bytes().to_vec());
    let now_ms = Arc::clone(&platform.now_ms);
    let clock = Arc::new(move || now_ms.load(Ordering::SeqCst));
    let client = Client::new(config, &minted.pair, clock, repeatable_random()).unwrap();
    let bench = Bench::start_with(
        &["GET /appsec/**", "OPTIONS /appsec/**", "POST /appsec/**"],
        |config| config.client = client,
        |_| {},
    )
    .await;
    let listed = bench.get("/appsec/v1/applications?size=2&name=a+b").await;
    assert_eq!(listed.status, 200, "{}", listed.body);
    let listed = bench.get("/appsec/v1/applications?size=2").await;
    assert!(listed.body.contains("\"total_elements\":3"), "{}", listed.body);
    assert_eq!(listed.header("strict-transport-security"), None);
    let lines = bench.lines();
    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    let head = format!("HEAD /appsec/v1/applications HTTP/1.1\r\nconnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    assert!(all.starts_with("HTTP/1.1 200") && all.ends_with("\r\n\r\n"), "{all}");

    let missing = bench.get("/appsec/v1/applications/00000000-0000-0000-0000-000000000000").await;
    assert_eq!((missing.status, missing.code()), (404, None));
    let body = "{}";
    let post =
        format!("POST /appsec/v1/applications HTTP/1.1\r\n{lines}content-length: 2\r\n\r\n{body}");
    let forbidden = bench.send(&post).await;
    assert_eq!((forbidden.status, forbidden.code()), (403, None), "the account's own roles count");
    let refused = bench.get("/api/authn/v2/users/self").await;
    assert_eq!((refused.status, refused.code()), (403, Some("not_allowed")));
    let options =
        bench.send(&format!("OPTIONS /appsec/v1/applications HTTP/1.1\r\n{lines}\r\n")).await;
    assert_eq!(options.code(), None, "{}", options.body);
    let log = bench.end().await;
    assert_eq!(log.len(), 7);
}
