//! A server with a certificate of its own making.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;

use crate::server::{Server, json_reply};

/// Where it is, and the certificate that it shows.
pub struct Secure {
    pub port: u16,
    pub certificate: String,
}

/// Answers everything with a chat completion.
pub fn serve() -> Secure {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let Ok(mut connection) = rustls::ServerConnection::new(Arc::clone(&config)) else { return };
            std::thread::spawn(move || {
                let mut stream = rustls::Stream::new(&mut connection, &mut socket);
                let mut buffer = vec![0; 65536];
                while let Ok(read) = stream.read(&mut buffer) {
                    if read == 0 || stream.write_all(&json_reply(200, &Server::completion("fine"))).is_err() {
                        return;
                    }
                }
            });
        }
    });
    Secure { port, certificate: made.cert.pem() }
}
