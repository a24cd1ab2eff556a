//! The runs that are carried out, and what each comes to when nothing but the asking is hard.

use std::collections::BTreeMap;
use std::time::Duration;

use iotjob::manifest::Success;
use iotjob::model::{Clock, JobRequest, JobType, JsonObject, MethodJob, TwinJob, TwinJobProperties};
use iotjob::plan::{Part, RunId, Step};
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::fleet::{DEVICES, METHOD, device_id, site};

/// A run and its targets, by number.
pub(crate) struct Errand {
    pub(crate) step: Step,
    pub(crate) targets: Vec<usize>,
}

impl Errand {
    pub(crate) fn job_id(&self) -> &str {
        self.step.request().job_id.as_str()
    }

    pub(crate) fn is_method(&self) -> bool {
        self.step.request().job_type == JobType::ScheduleDeviceMethod
    }
}

/// The runs of a seed: two to four, of all kinds.
pub(crate) fn errands(chance: &Chance, clock: &Clock) -> Vec<Errand> {
    let in_the = |name: &str| (0..DEVICES).filter(|number| site(*number) == name).collect::<Vec<_>>();
    let listed: Vec<usize> = (0..DEVICES).step_by(*chance.pick(&[3, 5, 11])).collect();
    let list: Vec<String> = listed.iter().map(|number| format!("'{}'", device_id(*number))).collect();
    let mut errands = vec![
        errand("north", method("north"), "tags.site = 'north'".to_owned(), in_the("north")),
        errand("south", twin("south"), "tags.site = 'south'".to_owned(), in_the("south")),
        errand("listed", method("listed"), format!("deviceId IN [{}]", list.join(", ")), listed.clone()),
    ];
    errands[2].step.parts[0].listed = listed.into_iter().map(device_id).collect();
    if chance.hits(0.5) {
        errands.remove(usize::try_from(chance.between(0, 2)).expect("an index"));
    }
    if chance.hits(0.4) {
        let start = clock.now() + Duration::from_secs(chance.between(60, 5_400));
        let mut later = errand("later", method("later"), "*".to_owned(), (0..DEVICES).collect());
        later.step.start = Some(start);
        later.step.parts[0].request.start_time = Some(start.into());
        errands.push(later);
    }
    errands
}

type Action = (Option<MethodJob>, Option<TwinJob>);

/// Each job's call carries its id, by which devices tell them apart.
fn method(name: &str) -> Action {
    let method = MethodJob {
        method_name: METHOD.to_owned(),
        payload: json!({"job": id(name)}),
        response_timeout_in_seconds: Some(30),
        connect_timeout_in_seconds: Some(0),
    };
    (Some(method), None)
}

fn twin(name: &str) -> Action {
    let desired = JsonObject::from_iter([(name.to_owned(), Value::from(1))]);
    let properties = Some(TwinJobProperties { desired: Some(desired) });
    (None, Some(TwinJob { etag: Some("*".to_owned()), tags: None, properties }))
}

fn id(name: &str) -> String {
    format!("{name}-0123456789ab")
}

fn errand(name: &str, (method, twin): Action, query_condition: String, targets: Vec<usize>) -> Errand {
    let run_id = RunId::first(id(name).parse().expect("a job id"));
    let job_type = if method.is_some() { JobType::ScheduleDeviceMethod } else { JobType::ScheduleUpdateTwin };
    let request = JobRequest {
        job_id: run_id.job_id(0, 1),
        job_type,
        query_condition,
        cloud_to_device_method: method,
        update_twin: twin,
        start_time: None,
        max_execution_time_in_seconds: 1_800,
    };
    let parts = vec![Part { request, listed: Vec::new() }];
    let step =
        Step { name: name.to_owned(), run_id, parts, start: None, after: Vec::new(), success: Success::default() };
    Errand { step, targets }
}

/// The rows of one job by target.
pub(crate) type Rows = BTreeMap<String, Value>;
