use proptest::prelude::*;

use super::*;

fn device() -> TwinId {
    TwinId::device("d%41".parse().unwrap())
}

fn module() -> TwinId {
    TwinId::module("d%41".parse().unwrap(), "m".parse().unwrap())
}

fn bag(pairs: &[(&str, &str)]) -> PropertyBag {
    pairs.iter().copied().collect()
}

// conformance: DEVICE.md 2.1: topics of telemetry, twins and methods, for devices and modules
#[test]
fn upstream_topics_read_and_write_the_bytes_of_the_service() {
    let rid = || "a-1".to_owned();
    let cases = [
        (device(), "devices/d%41/messages/events/", Upstream::Telemetry { bag: bag(&[]) }),
        (
            device(),
            "devices/d%41/messages/events/%24.ct=a%2Fb&k=v",
            Upstream::Telemetry { bag: bag(&[("$.ct", "a/b"), ("k", "v")]) },
        ),
        (
            module(),
            "devices/d%41/modules/m/messages/events/%24.on=out",
            Upstream::Telemetry { bag: bag(&[("$.on", "out")]) },
        ),
        (device(), "$iothub/methods/res/200/?$rid=a-1", Upstream::MethodResponse { status: 200, rid: rid() }),
        (module(), "$iothub/methods/res/-1/?$rid=a-1", Upstream::MethodResponse { status: -1, rid: rid() }),
        (device(), "$iothub/twin/GET/?$rid=a-1", Upstream::TwinGet { rid: rid() }),
        (
            device(),
            "$iothub/twin/PATCH/properties/reported/?$rid=a-1",
            Upstream::ReportedPatch { rid: rid(), base_version: None },
        ),
        (
            device(),
            "$iothub/twin/PATCH/properties/reported/?$rid=a-1&$version=7",
            Upstream::ReportedPatch { rid: rid(), base_version: Some(7) },
        ),
    ];
    for (own, topic, upstream) in cases {
        assert_eq!(Upstream::parse(topic, &own), Ok(upstream.clone()), "{topic}");
        assert_eq!(upstream.format(&own), topic);
    }
}

// conformance: DEVICE.md 2.4: telemetry topics are read with and without a trailing slash or question mark
#[test]
fn telemetry_is_read_in_every_spelling() {
    let plain = Ok(Upstream::Telemetry { bag: bag(&[]) });
    assert_eq!(Upstream::parse("devices/d%41/messages/events", &device()), plain);
    let with_bag = Ok(Upstream::Telemetry { bag: bag(&[("a", "1")]) });
    assert_eq!(Upstream::parse("devices/d%41/messages/events/?a=1", &device()), with_bag);
    assert_eq!(Upstream::parse("devices/d%41/modules/m/messages/events/a=1/", &module()), with_bag);
}

#[test]
fn other_upstream_topics_are_refused_with_the_reason() {
    let reason = |topic: &str| match Upstream::parse(topic, &device()).unwrap_err() {
        TopicError::Unknown { .. } => "unknown",
        TopicError::Foreign { .. } => "foreign",
        TopicError::FromHub { .. } => "from the hub",
        TopicError::NoRequestId { .. } => "rid",
        TopicError::Number { .. } => "number",
    };
    let cases = [
        ("hello", "unknown"),
        ("$iothub/twin/GETT/?$rid=1", "unknown"),
        ("devices/d%41/messages/eventsx", "unknown"),
        ("devices/d%41/messages/event/", "unknown"),
        ("devices/d%41/messages/devicebound/", "from the hub"),
        ("$iothub/methods/POST/lockDoor/?$rid=1", "from the hub"),
        ("$iothub/twin/res/200/?$rid=1", "from the hub"),
        ("devices/dA/messages/events/", "foreign"),
        ("devices/dA/messages/devicebound/", "foreign"),
        ("devices/d%41/modules/m/messages/events/", "foreign"),
        ("$iothub/twin/GET/", "rid"),
        ("$iothub/twin/GET/?rid=1", "rid"),
        ("$iothub/twin/GET/?$rid=", "rid"),
        ("$iothub/methods/res/200/", "rid"),
        ("$iothub/methods/res/ok/?$rid=1", "number"),
        ("$iothub/twin/PATCH/properties/reported/?$rid=1&$version=x", "number"),
    ];
    for (topic, expected) in cases {
        assert_eq!(reason(topic), expected, "{topic}");
    }
}

#[test]
fn downstream_topics_read_and_write_the_bytes_of_the_service() {
    let rid = || "2f".to_owned();
    let cases = [
        (
            device(),
            "$iothub/methods/POST/lockDoor/?$rid=2f",
            Downstream::MethodRequest { name: "lockDoor".to_owned(), rid: rid() },
        ),
        (
            device(),
            "$iothub/methods/POST/a%3F%2Fb/?$rid=2f",
            Downstream::MethodRequest { name: "a?/b".to_owned(), rid: rid() },
        ),
        (
            device(),
            "$iothub/twin/res/200/?$rid=2f",
            Downstream::TwinResponse { status: 200, rid: rid(), version: None },
        ),
        (
            device(),
            "$iothub/twin/res/204/?$rid=2f&$version=3",
            Downstream::TwinResponse { status: 204, rid: rid(), version: Some(3) },
        ),
        (device(), "$iothub/twin/PATCH/properties/desired/?$version=2", Downstream::DesiredPatch { version: 2 }),
        (
            device(),
            "devices/d%41/messages/devicebound/%24.to=%2Fdevices%2Fd%2541%2Fmessages%2FdeviceBound",
            Downstream::CloudToDevice { bag: bag(&[("$.to", "/devices/d%41/messages/deviceBound")]) },
        ),
        (
            module(),
            "devices/d%41/modules/m/inputs/in/a=1",
            Downstream::ModuleInput { name: "in".to_owned(), bag: bag(&[("a", "1")]) },
        ),
    ];
    for (own, topic, downstream) in cases {
        assert_eq!(Downstream::parse(topic, &own), Ok(downstream.clone()), "{topic}");
        assert_eq!(downstream.format(&own), topic);
    }
    assert!(Downstream::parse("devices/other/messages/devicebound/", &device()).is_err());
}

proptest! {
    #[test]
    fn arbitrary_topics_never_panic(topic in r"(\$iothub/|devices/d%41/)?(twin/|methods/|messages/)?.{0,40}") {
        let _ = Upstream::parse(&topic, &device());
        let _ = Downstream::parse(&topic, &module());
    }

    #[test]
    fn every_method_name_survives(name in ".{1,20}", rid in "[0-9a-f-]{1,36}") {
        let request = Downstream::MethodRequest { name, rid };
        prop_assert_eq!(Downstream::parse(&request.format(&device()), &device()), Ok(request));
    }
}
