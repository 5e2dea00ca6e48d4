//! Keys and certificates. Mirrors `runtime_args.py` of Dynamo 1.6.1; Dynamo's runtime reads the
//! variables.

use clap::Args;

/// Keys and certificates.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "TLS")]
pub struct TlsFlags {
    /// The certificate this worker shows over TCP, as PEM.
    #[arg(long, env = "DYN_TCP_TLS_CERT_PATH", value_name = "FILE")]
    pub tcp_tls_cert_path: Option<String>,

    /// Its private key, as PEM.
    #[arg(long, env = "DYN_TCP_TLS_KEY_PATH", value_name = "FILE")]
    pub tcp_tls_key_path: Option<String>,

    /// Who may vouch for the other side of a TCP connection, as PEM.
    #[arg(long, env = "DYN_TCP_TLS_CA_CERT_PATH", value_name = "FILE")]
    pub tcp_tls_ca_cert_path: Option<String>,

    /// Take any certificate over TCP: for development.
    #[arg(long, env = "DYN_TCP_TLS_INSECURE")]
    pub tcp_tls_insecure: bool,

    /// The name the other side's certificate must have.
    #[arg(long, env = "DYN_TCP_TLS_SERVER_NAME", value_name = "NAME")]
    pub tcp_tls_server_name: Option<String>,

    /// How long a TLS handshake may take, in seconds. Default: 3.
    #[arg(
        long = "tcp-tls-handshake-timeout",
        env = "DYN_TCP_TLS_HANDSHAKE_TIMEOUT_SECS",
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub tcp_tls_handshake_timeout_secs: Option<u32>,

    /// The certificate this worker shows as a client over TCP, as PEM.
    #[arg(long, env = "DYN_TCP_TLS_CLIENT_CERT_PATH", value_name = "FILE")]
    pub tcp_tls_client_cert_path: Option<String>,

    /// Its private key, as PEM.
    #[arg(long, env = "DYN_TCP_TLS_CLIENT_KEY_PATH", value_name = "FILE")]
    pub tcp_tls_client_key_path: Option<String>,

    /// Who may vouch for clients; with it, clients must show a certificate.
    #[arg(long, env = "DYN_TCP_TLS_CLIENT_CA_CERT_PATH", value_name = "FILE")]
    pub tcp_tls_client_ca_cert_path: Option<String>,

    /// Who may vouch for the NATS server, as PEM.
    #[arg(long, env = "NATS_TLS_CA_CERT_PATH", value_name = "FILE")]
    pub nats_tls_ca_cert_path: Option<String>,

    /// Take any certificate of the NATS server: for development.
    #[arg(long, env = "NATS_TLS_INSECURE")]
    pub nats_tls_insecure: bool,

    /// The certificate this worker shows the NATS server, as PEM.
    #[arg(long, env = "NATS_TLS_CLIENT_CERT_PATH", value_name = "FILE")]
    pub nats_tls_client_cert_path: Option<String>,

    /// Its private key, as PEM.
    #[arg(long, env = "NATS_TLS_CLIENT_KEY_PATH", value_name = "FILE")]
    pub nats_tls_client_key_path: Option<String>,
}
