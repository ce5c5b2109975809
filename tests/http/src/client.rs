//! A client that sends bytes as they are, right or wrong, and takes answers apart.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where to ask.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    address: SocketAddr,
}

/// What was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// 200, for instance.
    pub status: u16,
    /// Names in lower case. None has two values.
    pub headers: BTreeMap<String, String>,
    /// All that came after the headers.
    pub body: Vec<u8>,
}

impl Client {
    /// One that asks there.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// The address of a route.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// Asks for a path, and perhaps a query.
    pub fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[], b"")
    }

    /// Asks for anything. A `Host` in `headers` takes the place of the right one.
    pub fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.try_ask(method, target, headers, body)
            .unwrap_or_else(|error| panic!("{method} {target}: {error}"))
    }

    /// The same, where the connection may break.
    ///
    /// # Errors
    /// What happened to the connection, and answers that are none or are cut.
    pub fn try_ask(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut head = format!("{method} {target} HTTP/1.1\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head += &format!("Host: {}\r\n", self.address);
        }
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        let mut stream = self.connect()?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        // A server that refuses may not have read it all.
        let sent = stream.write_all(body);
        let answer = read(&mut stream, method == "HEAD");
        if answer.is_err() {
            sent?;
        }
        answer
    }

    /// A connection that nothing was sent on.
    ///
    /// # Errors
    /// What the operating system answered.
    pub fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// A header's value, or an empty one.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Reads until the server closes the connection, and checks that nothing is missing.
///
/// # Errors
/// What happened to the connection, and answers that are none or are cut.
pub fn read(stream: &mut TcpStream, is_head: bool) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let broken = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .ok_or_else(|| broken("no end of the headers"))?;
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| broken("headers are no text"))?;
    let mut lines = head.split("\r\n");
    let status = lines
        .next()
        .and_then(|line| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok())
        .ok_or_else(|| broken("no status"))?;
    let mut headers = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or_else(|| broken("no header"))?;
        if headers
            .insert(name.to_ascii_lowercase(), value.to_owned())
            .is_some()
        {
            return Err(broken("a header twice"));
        }
    }
    let body = bytes[end + 4..].to_vec();
    let announced = headers
        .get("content-length")
        .and_then(|length| length.parse().ok());
    if !is_head && announced != Some(body.len()) {
        return Err(broken("the body is cut"));
    }
    Ok(Answer {
        status,
        headers,
        body,
    })
}
