//! A minimal client of Redis' protocol, version 2: sends a command, reads a reply.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use crate::PATIENCE;

#[derive(Debug)]
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Connects to a port of the loopback interface.
    ///
    /// # Errors
    /// If no server listens there.
    pub fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a command and reads the reply: a JSON value, or Redis' error message.
    ///
    /// # Errors
    /// If the connection breaks.
    pub fn command(&mut self, words: &[impl AsRef<[u8]>]) -> io::Result<Result<Value, String>> {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            let word = word.as_ref();
            request.extend(format!("${}\r\n", word.len()).into_bytes());
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&request)?;
        self.reply()
    }

    fn reply(&mut self) -> io::Result<Result<Value, String>> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        let (kind, rest) = line.split_at_checked(1).ok_or(ErrorKind::InvalidData)?;
        let number = || rest.parse::<i64>().map_err(|_| io::Error::from(ErrorKind::InvalidData));
        Ok(Ok(match kind {
            "-" => return Ok(Err(rest.to_owned())),
            "+" => rest.into(),
            ":" => number()?.into(),
            "$" => usize::try_from(number()?).map_or(Ok(Value::Null), |length| self.bulk(length))?,
            "*" => {
                let mut list = Vec::new();
                for _ in 0..number()? {
                    list.push(self.reply()?.unwrap_or_else(Value::String));
                }
                list.into()
            }
            _ => return Err(ErrorKind::InvalidData.into()),
        }))
    }

    fn bulk(&mut self, length: usize) -> io::Result<Value> {
        let mut bytes = vec![0; length + 2];
        self.0.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(String::from_utf8_lossy(&bytes).into())
    }
}
