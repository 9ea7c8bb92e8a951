use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// A mail server that keeps what it is given.
pub(crate) struct Mails {
    pub(crate) url: String,
    taken: Arc<Mutex<Vec<String>>>,
}

impl Mails {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let taken = Arc::<Mutex<Vec<_>>>::default();
        let kept = taken.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mail = converse(&stream.unwrap());
                kept.lock().unwrap().extend(mail);
            }
        });
        Self { url, taken }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.taken.lock().unwrap())
    }
}

fn converse(mut stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let mut mail = None;
    stream.write_all(b"220 ready\r\n").ok()?;
    while let Some(Ok(line)) = lines.next() {
        let answer = match line.get(..4) {
            Some("DATA") => {
                stream.write_all(b"354 go on\r\n").ok()?;
                let mut text = String::new();
                while let Some(Ok(line)) =
                    lines.next().filter(|line| !matches!(line, Ok(end) if end == "."))
                {
                    text.push_str(&line);
                    text.push('\n');
                }
                mail = Some(text);
                "250 taken\r\n"
            }
            Some("QUIT") => "221 bye\r\n",
            _ => "250 well\r\n",
        };
        stream.write_all(answer.as_bytes()).ok()?;
    }
    mail
}
