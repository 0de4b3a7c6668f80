//! etcd as the witness: the record is a key, changed by compare-and-swap; a second key, bound to a
//! lease, tells whether its owner has been heard of lately.
//!
//! The client demands an asynchronous runtime. It is private to this module, of one thread, and runs only
//! while a question is open.

use super::Witness;
use crate::role::machine::{Answer, Ask};
use crate::role::record::Record;
use etcd_client::{
    Certificate, Client, Compare, CompareOp, ConnectOptions, Error, Identity, PutOptions,
    TlsOptions, Txn, TxnOp, TxnOpResponse, TxnResponse,
};
use std::time::Duration;
use tokio::runtime::Runtime;

/// Of a record as it is stored. What is longer was not written by ftrun.
const RECORD_BYTES_MAX: usize = 1024;
/// Of the lease, this part is not relied on: the witness's clock may run faster.
const LEASE_MARGIN: u32 = 20;

/// Where etcd is and how to talk to it.
#[derive(Debug, Clone)]
pub struct EtcdConfig {
    /// `http://HOST:PORT` or `https://HOST:PORT`.
    pub endpoints: Vec<String>,
    /// Prefix of the keys: one protected application, one name.
    pub service: String,
    /// The lease.
    pub lease: Duration,
    /// How long a question may take, over all endpoints together.
    pub limit: Duration,
    /// For `https`, PEM: certificates that the servers' must lead to.
    pub ca: Option<Vec<u8>>,
    /// For `https`, PEM: certificate and key that we show.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// See the module.
pub struct Etcd {
    config: EtcdConfig,
    runtime: Runtime,
    client: Option<Client>,
    /// Which endpoint the client talks to.
    endpoint: usize,
    lease: Option<i64>,
    record_key: String,
    alive_key: String,
}

/// Why a question has no answer.
enum Failure {
    Etcd(Error),
    /// What is stored is no record.
    Strange(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Etcd(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Etcd(Error::GRpcStatus(status)) if !status.message().is_empty() => {
                f.write_str(status.message())
            }
            Self::Etcd(error) => error.fmt(f),
            Self::Strange(what) => f.write_str(what),
        }
    }
}

impl Etcd {
    /// Prepares to ask; connects when it is first asked.
    pub fn new(config: EtcdConfig) -> std::io::Result<Self> {
        if config.endpoints.is_empty() {
            return Err(std::io::Error::other("no etcd endpoint"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        Ok(Self {
            record_key: format!("/ftrun/{}/record", config.service),
            alive_key: format!("/ftrun/{}/alive", config.service),
            config,
            runtime,
            client: None,
            endpoint: 0,
            lease: None,
        })
    }

    /// Asks one endpoint after the other until one answers. A change that was made by one whose answer
    /// was lost is found out by the next: the record is then what was asked for.
    fn over_endpoints(&mut self, ask: &Ask) -> Result<Answer, String> {
        let tries = self.config.endpoints.len().max(2);
        let limit = self.config.limit / u32::try_from(tries).unwrap_or(u32::MAX);
        let mut trouble = String::new();
        for _ in 0..tries {
            match self.try_once(ask, limit) {
                Ok(answer) => return Ok(answer),
                Err(failure) => {
                    trouble = format!("{}: {failure}", self.config.endpoints[self.endpoint]);
                    self.client = None;
                    self.endpoint = (self.endpoint + 1) % self.config.endpoints.len();
                }
            }
        }
        Err(trouble)
    }

    fn try_once(&mut self, ask: &Ask, limit: Duration) -> Result<Answer, Failure> {
        let (client, mut talk) = self.talk(limit)?;
        let outcome = self.runtime.block_on(async {
            tokio::time::timeout(limit, async {
                let mut client = match client {
                    Some(client) => client,
                    None => talk.connect().await?,
                };
                let answer = talk.ask(&mut client, ask).await?;
                Ok::<_, Failure>((client, answer))
            })
            .await
        });
        self.lease = talk.lease;
        let late = || Failure::Strange(format!("no answer within {} ms", limit.as_millis()));
        let (client, answer) = outcome.map_err(|_| late())??;
        self.client = Some(client);
        Ok(answer)
    }

    fn talk(&mut self, limit: Duration) -> Result<(Option<Client>, Talk), Failure> {
        let endpoint = self
            .config
            .endpoints
            .get(self.endpoint)
            .cloned()
            .unwrap_or_default();
        let mut options = ConnectOptions::new()
            .with_connect_timeout(limit)
            .with_require_leader(true);
        if endpoint.starts_with("https://") {
            let mut tls = TlsOptions::new();
            if let Some(ca) = &self.config.ca {
                tls = tls.ca_certificate(Certificate::from_pem(ca));
            }
            if let Some((cert, key)) = &self.config.identity {
                tls = tls.identity(Identity::from_pem(cert, key));
            }
            options = options.with_tls(tls);
        }
        let talk = Talk {
            endpoint,
            options,
            lease: self.lease,
            ttl: self.config.lease,
            record_key: self.record_key.clone(),
            alive_key: self.alive_key.clone(),
        };
        Ok((self.client.take(), talk))
    }
}

/// One conversation.
struct Talk {
    endpoint: String,
    options: ConnectOptions,
    lease: Option<i64>,
    ttl: Duration,
    record_key: String,
    alive_key: String,
}

impl Talk {
    async fn connect(&self) -> Result<Client, Failure> {
        Ok(Client::connect([&self.endpoint], Some(self.options.clone())).await?)
    }

    async fn ask(&mut self, client: &mut Client, ask: &Ask) -> Result<Answer, Failure> {
        match ask {
            Ask::Read { .. } => self.read(client).await,
            Ask::Swap { expected, new, .. } => {
                self.write(client, expected.as_ref(), Some(new)).await
            }
            Ask::Keep(record) => self.write(client, Some(record), None).await,
        }
    }

    async fn read(&self, client: &mut Client) -> Result<Answer, Failure> {
        let both = Txn::new().and_then([
            TxnOp::get(self.record_key.as_str(), None),
            TxnOp::get(self.alive_key.as_str(), None),
        ]);
        let response = client.txn(both).await?;
        let record = record_in(&response)?;
        let alive = matches!(response.op_responses().get(1), Some(TxnOpResponse::Get(get)) if !get.kvs().is_empty());
        Ok(Answer::Current { record, alive })
    }

    /// Changes the record, or, without a new one, only says that its owner lives.
    async fn write(
        &mut self,
        client: &mut Client,
        expected: Option<&Record>,
        new: Option<&Record>,
    ) -> Result<Answer, Failure> {
        let (lease, valid) = self.leased(client).await?;
        let is = match expected {
            Some(record) => {
                Compare::value(self.record_key.as_str(), CompareOp::Equal, text_of(record)?)
            }
            None => Compare::create_revision(self.record_key.as_str(), CompareOp::Equal, 0),
        };
        let owner = new.or(expected).map_or("", |record| record.owner.as_str());
        let bound = PutOptions::new().with_lease(lease);
        let mut puts = vec![TxnOp::put(self.alive_key.as_str(), owner, Some(bound))];
        if let Some(record) = new {
            puts.push(TxnOp::put(self.record_key.as_str(), text_of(record)?, None));
        }
        let change = Txn::new()
            .when([is])
            .and_then(puts)
            .or_else([TxnOp::get(self.record_key.as_str(), None)]);
        let response = match client.txn(change).await {
            Ok(response) => response,
            Err(error) => {
                // It may have run out since; the next try has another.
                self.lease = None;
                return Err(error.into());
            }
        };
        if response.succeeded() {
            return Ok(Answer::Done { lease: Some(valid) });
        }
        Ok(Answer::Refused(record_in(&response)?))
    }

    /// A lease that was prolonged within this question, so that its span counts from there.
    async fn leased(&mut self, client: &mut Client) -> Result<(i64, Duration), Failure> {
        let usable = |seconds: i64| {
            let span = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            (span - span / LEASE_MARGIN).min(self.ttl)
        };
        if let Some(lease) = self.lease.take()
            && let Ok((mut keeper, mut stream)) = client.lease_keep_alive(lease).await
            && keeper.keep_alive().await.is_ok()
            && let Ok(Some(kept)) = stream.message().await
            && kept.ttl() > 0
        {
            let valid = usable(kept.ttl());
            self.lease = Some(lease);
            return Ok((lease, valid));
        }
        let seconds = i64::try_from(self.ttl.as_secs().max(1)).unwrap_or(i64::MAX);
        let granted = client.lease_grant(seconds, None).await?;
        let valid = usable(granted.ttl());
        self.lease = Some(granted.id());
        Ok((granted.id(), valid))
    }
}

fn text_of(record: &Record) -> Result<String, Failure> {
    serde_json::to_string(record).map_err(|error| Failure::Strange(error.to_string()))
}

fn record_in(response: &TxnResponse) -> Result<Option<Record>, Failure> {
    let responses = response.op_responses();
    let Some(TxnOpResponse::Get(get)) = responses.first() else {
        return Err(Failure::Strange(
            "it did not say what the record is".to_owned(),
        ));
    };
    let Some(found) = get.kvs().first() else {
        return Ok(None);
    };
    if found.value().len() > RECORD_BYTES_MAX {
        return Err(Failure::Strange(
            "what is stored for this service is no record".to_owned(),
        ));
    }
    serde_json::from_slice(found.value())
        .map(Some)
        .map_err(|_| Failure::Strange("what is stored for this service is no record".to_owned()))
}

impl Witness for Etcd {
    fn ask(&mut self, ask: &Ask) -> Answer {
        match self.over_endpoints(ask) {
            Ok(answer) => answer,
            Err(trouble) if matches!(ask, Ask::Swap { .. }) => Answer::Unknown(trouble),
            Err(trouble) => Answer::Unreachable(trouble),
        }
    }

    fn keeps_record(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        format!("etcd {}", self.config.endpoints.join(","))
    }
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Etcd")
            .field("endpoints", &self.config.endpoints)
            .field("service", &self.config.service)
            .finish_non_exhaustive()
    }
}
