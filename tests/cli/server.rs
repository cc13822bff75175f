//! A small HTTP server on loopback, with a delay and faults of one's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

type Answer = dyn Fn(usize, &str, &str) -> Vec<u8> + Send + Sync;

/// A server that lives as long as its test.
pub struct Server {
    address: String,
    requests: Arc<Mutex<Vec<String>>>,
    most_at_once: Arc<AtomicUsize>,
}

impl Server {
    /// Answers each request (its number, its body) with a status and a body.
    pub fn answering(answer: impl Fn(usize, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::slow(Duration::ZERO, answer)
    }

    /// The same, each after a while.
    pub fn slow(delay: Duration, answer: impl Fn(usize, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        Self::start(delay, move |number, _, body| {
            let (status, text) = answer(number, body);
            if text.starts_with("HTTP/1.1") {
                // A reply of the test's own.
                return text.into_bytes();
            }
            json_reply(status, &text)
        })
    }

    /// Answers each request (its number, its body) with the bytes of a whole reply; without any byte it never answers.
    /// A reply that does not say how long it is ends the connection.
    pub fn raw(answer: impl Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(Duration::ZERO, move |number, _, body| answer(number, body))
    }

    /// Answers each request (method and path, body) with the bytes of a whole reply.
    pub fn routed(answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(Duration::ZERO, move |_, head, body| {
            let line = head.lines().next().unwrap_or_default();
            answer(line.trim_end_matches(" HTTP/1.1"), body)
        })
    }

    fn start(delay: Duration, answer: impl Fn(usize, &str, &str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let most_at_once: Arc<AtomicUsize> = Arc::default();
        let now: Arc<AtomicUsize> = Arc::default();
        let answer: Arc<Answer> = Arc::new(answer);
        let (seen, most) = (Arc::clone(&requests), Arc::clone(&most_at_once));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, most, now, answer) =
                    (Arc::clone(&seen), Arc::clone(&most), Arc::clone(&now), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, delay, &seen, &most, &now, &*answer));
            }
        });
        Self { address, requests, most_at_once }
    }

    /// A chat completion with this text.
    pub fn completion(text: &str) -> String {
        serde_json::json!({"model": "served", "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
        .to_string()
    }

    /// The address without any path.
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Every request so far: head and body.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("whole").clone()
    }

    pub fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

/// A reply with a JSON body, after which the connection stays.
pub fn json_reply(status: u16, text: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{text}", text.len())
        .into_bytes()
}

fn serve(
    stream: &TcpStream,
    delay: Duration,
    seen: &Mutex<Vec<String>>,
    most: &AtomicUsize,
    now: &AtomicUsize,
    answer: &Answer,
) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(n) if n > 0 => {}
                _ => return,
            }
            let end = line == "\r\n";
            head.push_str(&line);
            if end {
                break;
            }
        }
        let length = head
            .lines()
            .find_map(|line| {
                line.to_lowercase().strip_prefix("content-length:").and_then(|n| n.trim().parse::<usize>().ok())
            })
            .unwrap_or(0);
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        let number = {
            let mut seen = seen.lock().expect("whole");
            seen.push(format!("{head}{body}"));
            seen.len() - 1
        };
        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(delay);
        now.fetch_sub(1, Ordering::SeqCst);
        let reply = answer(number, &head, &body);
        if reply.is_empty() {
            std::thread::sleep(Duration::from_mins(1));
            return;
        }
        let sent = (&*stream).write_all(&reply).is_ok();
        if !sent || !is_whole(&reply) {
            return;
        }
    }
}

/// Whether a reply holds as many bytes as it says: after any other the connection ends.
fn is_whole(reply: &[u8]) -> bool {
    let Some(end) = reply.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&reply[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length == Some(reply.len() - end - 4)
}
