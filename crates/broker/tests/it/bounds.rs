//! What one caller can use up.

use super::*;

#[tokio::test]
async fn bodies_are_bounded_announced_or_not() {
    let bench =
        Bench::start_with(&["POST /**"], |config| config.limits.body_bytes = 100_000, |_| {}).await;
    let lines = bench.lines();
    let announced = format!("POST /x HTTP/1.1\r\n{lines}content-length: 100001\r\n\r\n");
    let answer = bench.send(&announced).await;
    assert_eq!((answer.status, answer.code()), (413, Some("body_too_large")));
    let chunk = format!("c350\r\n{}\r\n", "x".repeat(50_000));
    let start = format!("POST /x HTTP/1.1\r\n{lines}transfer-encoding: chunked\r\n\r\n");
    let answer = bench.send(&format!("{start}{chunk}{chunk}1\r\ny\r\n0\r\n\r\n")).await;
    assert_eq!((answer.status, answer.code()), (413, Some("body_too_large")));
    assert_eq!(bench.upstream.seen().len(), 0);
    let answer = bench.send(&format!("{start}{chunk}{chunk}0\r\n\r\n")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(bench.upstream.seen()[0].body.len(), 100_000);
}

#[tokio::test]
async fn heads_are_bounded() {
    let bench = Bench::start(&["GET /**"]).await;
    let lines = bench.lines();
    let large = "x".repeat(100_000);
    let answer = bench.send(&format!("GET /x HTTP/1.1\r\n{lines}x: {large}\r\n\r\n")).await;
    assert_eq!(answer.status, 431);
    let many: String = (0..120).map(|n| format!("x-{n}: y\r\n")).collect();
    let answer = bench.send(&format!("GET /x HTTP/1.1\r\n{lines}{many}\r\n")).await;
    assert_eq!(answer.status, 431);
    assert_eq!(bench.upstream.seen().len(), 0);
}

#[tokio::test]
async fn one_caller_has_so_many_on_their_way_and_another_its_own() {
    let bench =
        Bench::start_with(&["GET /**"], |config| config.limits.in_flight_per_caller = 2, |_| {})
            .await;
    let other = add_caller(&bench.store, "other", &["GET /**"], None).await;
    bench.upstream.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
    let text = format!("GET /x HTTP/1.1\r\n{}\r\n", bench.lines());
    let mut held = Vec::new();
    for count in 1..=2 {
        let mut stream = TcpStream::connect(bench.address()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        held.push(stream);
        while bench.upstream.seen().len() < count {
            tokio::task::yield_now().await;
        }
    }
    let answer = bench.send(&text).await;
    assert_eq!((answer.status, answer.code()), (429, Some("too_many")));
    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    let theirs = text.replace(&bench.token, &other);
    stream.write_all(theirs.as_bytes()).await.unwrap();
    bench.upstream.gate.add_permits(100);
    assert_eq!(told(&mut stream).await.status, 200, "another caller has places of its own");
    for stream in &mut held {
        assert_eq!(told(stream).await.status, 200);
    }
    assert_eq!(bench.send(&text).await.status, 200, "the places are free again");
}

/// A head that comes byte by byte, a body that does not come, a connection that is
/// only held: all end by themselves.
#[tokio::test]
async fn who_is_slow_is_left() {
    let bench = Bench::start_with(
        &["POST /**"],
        |config| {
            config.limits.head_time = Duration::from_millis(150);
            config.limits.body_time = Duration::from_millis(150);
            config.limits.connections = 2;
        },
        |_| {},
    )
    .await;
    let mut idle = TcpStream::connect(bench.address()).await.unwrap();
    let mut slow = TcpStream::connect(bench.address()).await.unwrap();
    slow.write_all(b"POST /x HTT").await.unwrap();
    // Answered once one of the two is gone.
    let text = format!("POST /x HTTP/1.1\r\n{}content-length: 2\r\n\r\n{{", bench.lines());
    let answer = bench.send(&text).await;
    assert_eq!((answer.status, answer.code()), (408, Some("body_too_slow")));
    assert_eq!(answer.header("connection"), Some("close"));
    for stream in [&mut idle, &mut slow] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("200"));
    }
    assert_eq!(bench.upstream.seen().len(), 0);
}

/// Large answers pass through without being held: the service cannot send what the
/// caller does not take.
#[tokio::test]
async fn a_large_answer_is_passed_on_piece_by_piece() {
    let bench = Bench::start(&["GET /**"]).await;
    const SIZE: usize = 64 << 20;
    let mut answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + SIZE, b'x');
    bench.upstream.answers(answer);
    let mut stream = TcpStream::connect(bench.address()).await.unwrap();
    let text = format!("GET /x HTTP/1.1\r\n{}\r\n", bench.lines());
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut piece = vec![0; 1 << 20];
    let mut total = 0;
    let mut head = 0;
    while total < head + SIZE || head == 0 {
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "cut off after {total}");
        if head == 0 {
            head = piece.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        }
        total += count;
    }
    assert_eq!(total, head + SIZE);
}

#[tokio::test]
async fn running_requests_end_before_the_broker_does_or_are_cut_off_in_time() {
    for end_time in [Duration::from_secs(60), Duration::from_millis(50)] {
        let bench =
            Bench::start_with(&["GET /**"], |config| config.limits.end_time = end_time, |_| {})
                .await;
        bench.upstream.gate.forget_permits(tokio::sync::Semaphore::MAX_PERMITS);
        let address = bench.address();
        let mut running = TcpStream::connect(address).await.unwrap();
        let text = format!("GET /x HTTP/1.1\r\n{}\r\n", bench.lines());
        running.write_all(text.as_bytes()).await.unwrap();
        while bench.upstream.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        let gate = Arc::clone(&bench.upstream.gate);
        let ending = tokio::spawn(bench.end());
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        let is_patient = end_time > Duration::from_secs(1);
        if is_patient {
            gate.add_permits(1);
            assert_eq!(told(&mut running).await.status, 200);
        }
        let log = ending.await.unwrap();
        assert_eq!(log[0].status, if is_patient { 200 } else { 499 });
    }
}
