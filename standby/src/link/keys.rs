//! Key material: a key and a self-signed certificate for each node, each of which knows exactly
//! the other's certificate.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Names of the files of a node.
const KEY_FILE: &str = "key.pem";
const CERT_FILE: &str = "cert.pem";
const PEER_FILE: &str = "peer.pem";
/// No file of key material is longer.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// Why there is no key material.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system refused.
    #[error("cannot {doing} {}: {error}", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// Nothing is overwritten.
    #[error("{} exists already: key material is never overwritten", path.display())]
    Exists {
        /// What exists.
        path: PathBuf,
    },
    /// Others can read the private key.
    #[error("{} can be read by others (mode {mode:04o}): chmod 600 it, or make new keys", path.display())]
    Readable {
        /// The private key.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is something else.
    #[error("{} is not {expected}: {reason}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A node that trusts itself would accept its own copy.
    #[error("{} and {CERT_FILE} are the same certificate: each node needs its own", path.display())]
    SameCertificate {
        /// The peer's certificate.
        path: PathBuf,
    },
    /// The keys could not be made.
    #[error("cannot make keys: {0}")]
    Generate(#[from] rcgen::Error),
}

/// The key material of one node.
#[derive(Debug)]
pub struct Keys {
    pub(super) key: PrivateKeyDer<'static>,
    pub(super) certificate: CertificateDer<'static>,
    pub(super) peer: CertificateDer<'static>,
}

impl Clone for Keys {
    fn clone(&self) -> Self {
        Self {
            key: self.key.clone_key(),
            certificate: self.certificate.clone(),
            peer: self.peer.clone(),
        }
    }
}

impl Keys {
    /// Reads what [`generate`] wrote for one node.
    pub fn load(dir: &Path) -> Result<Self, KeyError> {
        let path = dir.join(KEY_FILE);
        let mode = std::fs::metadata(&path)
            .map_err(|error| io_error("open", &path, error))?
            .mode()
            & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Readable { path, mode });
        }
        let key = parse(&path, "a private key in PEM", |pem| {
            PrivateKeyDer::from_pem_slice(pem)
        })?;
        let certificate = parse_certificate(&dir.join(CERT_FILE))?;
        let path = dir.join(PEER_FILE);
        let peer = parse_certificate(&path)?;
        if certificate == peer {
            return Err(KeyError::SameCertificate { path });
        }
        Ok(Self {
            key,
            certificate,
            peer,
        })
    }
}

fn parse_certificate(path: &Path) -> Result<CertificateDer<'static>, KeyError> {
    parse(path, "a certificate in PEM", |pem| {
        CertificateDer::from_pem_slice(pem)
    })
}

fn parse<T>(
    path: &Path,
    expected: &'static str,
    parse: impl FnOnce(&[u8]) -> Result<T, rustls::pki_types::pem::Error>,
) -> Result<T, KeyError> {
    let content = |reason: String| KeyError::Content {
        path: path.into(),
        expected,
        reason,
    };
    let failed = |error| io_error("open", path, error);
    let len = std::fs::metadata(path).map_err(failed)?.len();
    if len > FILE_BYTES_MAX {
        return Err(content(format!("it has {len} bytes")));
    }
    let pem = std::fs::read(path).map_err(failed)?;
    parse(&pem).map_err(|error| content(error.to_string()))
}

/// Makes key material for two nodes: `dir/node1` and `dir/node2`, each to be taken to one.
pub fn generate(dir: &Path) -> Result<[PathBuf; 2], KeyError> {
    let nodes = ["node1", "node2"].map(|name| dir.join(name));
    for path in &nodes {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(KeyError::Exists { path: path.clone() });
        }
    }
    let made = [make()?, make()?];
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    match builder.create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error("create", dir, error));
        }
        _ => {}
    }
    for (index, node) in nodes.iter().enumerate() {
        builder
            .create(node)
            .map_err(|error| io_error("create", node, error))?;
        let (own, other) = (&made[index], &made[1 - index]);
        write(&node.join(KEY_FILE), &own.0)?;
        write(&node.join(CERT_FILE), &own.1)?;
        write(&node.join(PEER_FILE), &other.1)?;
    }
    Ok(nodes)
}

/// A key and a certificate that says nothing but the key.
fn make() -> Result<(String, String), rcgen::Error> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519)?;
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let certificate = params.self_signed(&key)?;
    Ok((key.serialize_pem(), certificate.pem()))
}

fn write(path: &Path, text: &str) -> Result<(), KeyError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyError::Exists { path: path.into() },
        _ => io_error("write", path, error),
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

fn io_error(doing: &'static str, path: &Path, error: io::Error) -> KeyError {
    KeyError::Io {
        doing,
        path: path.into(),
        error,
    }
}
