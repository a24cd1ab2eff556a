//! Runners: each carries the same runs out, is killed and started again, until it is told how they ended.

use iotjob::auth::ServiceConnectionString;
use iotjob::client::{HubAccess, HubClient, HubClientConfig, Patience};
use iotjob::model::Clock;
use iotjob::plan::Step;
use iotjob::run::{
    Context, Ended, Equipment, Happening, HubLife, NoTargets, Options, Pace, Rerun, Waiting, carry_out, event_channel,
    locate,
};
use iotjob::tls::TrustAnchors;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::chance::Chance;
use crate::faults::Plan;
use crate::hub::{HOST, Hub, fixed_keys};
use crate::ledger::Ledger;
use crate::wire::Way;

/// How often a pipeline is started again before somebody looks into it.
const STARTS_MAX: u32 = 200;

/// What clients of a simulation share.
#[derive(Clone)]
pub(crate) struct Office {
    pub(crate) hub: Hub,
    pub(crate) plan: Plan,
    pub(crate) clock: Clock,
    pub(crate) ledger: Ledger,
    /// Trusted by clients that never see a certificate.
    pub(crate) ca_pem: Arc<[u8]>,
}

impl Office {
    /// A client whose way to the hub is that of the plan.
    pub(crate) fn client(&self, who: &str, chance: &Chance) -> HubClient {
        let way = Way {
            who: who.to_owned(),
            hub: self.hub.clone(),
            plan: self.plan.clone(),
            chance: chance.branch(),
            ledger: self.ledger.clone(),
        };
        let connection = ServiceConnectionString {
            host: HOST.parse().expect("a host name"),
            policy: "iothubowner".to_owned(),
            key: fixed_keys().primary_key,
        };
        let config = HubClientConfig {
            access: HubAccess::Policy(connection),
            trust: TrustAnchors::Pem(self.ca_pem.to_vec()),
            clock: self.clock.clone(),
            rng: chance.branch().rng(),
            patience: Patience::standard(),
            notify: None,
        };
        HubClient::over(Arc::new(way), config).expect("a client")
    }

    /// Carries the runs out once, undisturbed by kills.
    pub(crate) async fn run(&self, who: &str, steps: Vec<Step>, chance: &Chance) -> Vec<Ended> {
        let (events, mut heard) = event_channel(self.clock.clone());
        let options = Options { waiting: Waiting::UntilEnd, no_targets: NoTargets::Fail, hub: HubLife::Lasting };
        let rng = chance.branch().rng();
        let equipment = Equipment { pace: Pace::service(), clock: self.clock.clone(), rng, events, options };
        let context = Context::new(self.client(who, chance), equipment);
        let (ledger, name) = (self.ledger.clone(), who.to_owned());
        let listening = async move {
            let mut told = BTreeSet::new();
            while let Some(event) = heard.recv().await {
                ledger.note(format!("{name}: {}: {:?}", event.run_id, event.what));
                if let Happening::DeviceResult(result) = &event.what {
                    let first = told.insert((event.run_id.clone(), result.target()));
                    ledger.check(first, || format!("{name} told a second outcome of {}: {result:?}", event.run_id));
                }
            }
        };
        let running = async move {
            let located = locate(&context, steps, Rerun::No).await;
            carry_out(&context, located, &CancellationToken::new()).await
        };
        tokio::join!(running, listening).0
    }

    /// Carries the runs out until it knows how they ended, through `kills` kills of its own.
    pub(crate) async fn insist(&self, who: String, steps: Vec<Step>, mut kills: u64, chance: Chance) -> Vec<Ended> {
        for _ in 0..STARTS_MAX {
            let life = self.run(&who, steps.clone(), &chance);
            let ended = if kills > 0 {
                kills -= 1;
                let most = *chance.pick(&[200, 5_000, 60_000, 600_000]);
                timeout(chance.ms(0, most), life).await.ok()
            } else {
                Some(life.await)
            };
            match ended {
                None => self.ledger.note(format!("{who}: killed")),
                Some(ended) if ended.iter().all(|ended| ended.tally.is_some()) => return ended,
                Some(_) => self.ledger.note(format!("{who}: gave up")),
            }
            sleep(chance.ms(0, 20_000)).await;
        }
        self.ledger.violate(format!("{who} never learns how its runs ended"));
        Vec::new()
    }
}
