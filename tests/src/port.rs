//! A loopback port that stays reserved before, between and after its listeners.
//!
//! Another process may take a port that was found free and then released. [`Port`] therefore holds a socket that is
//! bound to the port and never listens. The system then assigns the port to no other socket that asks for any free
//! port, and to no outgoing connection. A process that names the port and sets `SO_REUSEADDR` can still listen: Envoy,
//! Redis, Webdis, Tokio and the standard library do. Until then connections are refused.

use tokio::net::TcpSocket;

/// A reserved port; dropping it releases the port.
#[derive(Debug)]
pub struct Port(TcpSocket);

impl Port {
    /// Reserves a free port.
    ///
    /// # Panics
    /// If no port is free.
    pub fn reserve() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("an option of every socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port on the loopback interface");
        Self(socket)
    }

    /// The port number.
    pub fn number(&self) -> u16 {
        self.0.local_addr().map_or(0, |address| address.port())
    }

    /// The base URL of a provider at this port.
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
