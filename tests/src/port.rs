//! A port of the loopback interface that is kept, before somebody listens there, between two who do, and after.
//!
//! A port that was found free and let go may be another's by the time it is needed. Of this one a socket is kept that is
//! bound to it and never listens. The system gives the port to nobody who asks for any, and to no connection. It gives it to
//! who asks for this very one and lets addresses be used again (`SO_REUSEADDR`): Envoy, Redis, Webdis, Tokio and the standard
//! library do. Until one of them listens, whoever connects is refused.

use tokio::net::TcpSocket;

/// A port, ours until this is dropped.
#[derive(Debug)]
pub struct Port(TcpSocket);

impl Port {
    /// One that is nobody's.
    ///
    /// # Panics
    /// When no port can be had.
    pub fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option of every socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port on the loopback interface");
        Self(socket)
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.0.local_addr().map_or(0, |address| address.port())
    }

    /// The base URL of a provider that would be there.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.number())
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn it_is_given_to_those_who_name_it_one_at_a_time_and_refuses_until_then() {
        let port = Port::reserve();
        let connect = || TcpStream::connect(("127.0.0.1", port.number()));
        let listen = || TcpListener::bind(("127.0.0.1", port.number()));
        for _ in 0..2 {
            assert_eq!(connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
            let listener = listen().unwrap();
            let (_client, _server) = (connect().unwrap(), listener.accept().unwrap());
            assert_eq!(listen().unwrap_err().kind(), ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn nobody_who_asks_for_any_is_given_it() {
        let port = Port::reserve();
        let others: Vec<Port> = (0..1_000).map(|_| Port::reserve()).collect();
        assert!(others.iter().all(|other| other.number() != port.number()));
    }
}
