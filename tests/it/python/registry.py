"""A back end's day without a single device online: registry, twins, queries, bulk calls, jobs that wait.

Told nothing but IOTHUB_CONNECTION_STRING and, through REQUESTS_CA_BUNDLE, the CA. Prints the name of each part that held.
"""

import os
from datetime import datetime, timedelta

from azure.iot.hub import IoTHubJobManager, IoTHubRegistryManager
from azure.iot.hub.models import (
    CloudToDeviceMethod,
    ExportImportDevice,
    JobRequest,
    QuerySpecification,
    Twin,
    TwinProperties,
)
from msrest.exceptions import HttpOperationError

KEYS = ("cHJpbWFyeS1rZXktb2YtdGhlLXRlc3QtMDEyMzQ1Njc=", "c2Vjb25kYXJ5LWtleS1vZi10aGUtdGVzdC0wMTIzNDU=")
STALE = "MQ=="


def refused(call, *args, **kwargs):
    """Status and error code of a call that must fail."""
    try:
        call(*args, **kwargs)
    except HttpOperationError as error:
        return error.response.status_code, error.response.headers.get("iothub-errorcode")
    raise AssertionError("{} was not refused".format(call.__name__))


def devices(registry):
    made = registry.create_device_with_sas("d1", *KEYS, status="enabled")
    assert made.authentication.symmetric_key.primary_key == KEYS[0], made
    again = refused(registry.create_device_with_sas, "d1", *KEYS, status="enabled")
    assert again == (409, "DeviceAlreadyExists"), again
    stale = refused(registry.update_device_with_sas, "d1", STALE, *KEYS, status="disabled")
    assert stale == (412, "PreconditionFailed"), stale
    changed = registry.update_device_with_sas("d1", made.etag, *KEYS, status="disabled", status_reason="lost")
    assert (changed.status, changed.status_reason) == ("disabled", "lost"), changed
    assert changed.etag != made.etag, changed
    assert refused(registry.delete_device, "d1", made.etag) == (412, "PreconditionFailed")
    certified = registry.create_device_with_certificate_authority("d2", "enabled")
    assert certified.authentication.type == "certificateAuthority", certified
    assert sorted(device.device_id for device in registry.get_devices(9)) == ["d1", "d2"]
    counts = registry.get_device_registry_statistics()
    assert (counts.total_device_count, counts.disabled_device_count) == (2, 1), counts
    registry.delete_device("d1", changed.etag)
    assert refused(registry.get_device, "d1") == (404, "DeviceNotFound")


def modules(registry):
    made = registry.create_module_with_sas("d2", "m1", "me", *KEYS)
    again = refused(registry.create_module_with_sas, "d2", "m1", "me", *KEYS)
    assert again == (409, "ModuleAlreadyExistsOnDevice"), again
    stale = refused(registry.update_module_with_sas, "d2", "m1", "you", STALE, *KEYS)
    assert stale == (412, "PreconditionFailed"), stale
    changed = registry.update_module_with_sas("d2", "m1", "you", made.etag, *KEYS)
    assert changed.managed_by == "you", changed
    assert [module.module_id for module in registry.get_modules("d2")] == ["m1"]
    twin = registry.update_module_twin("d2", "m1", Twin(tags={"room": 7}))
    assert (twin.module_id, twin.tags, twin.device_etag) == ("m1", {"room": 7}, changed.etag), twin
    assert refused(registry.get_modules, "none")[0] == 401
    registry.delete_module("d2", "m1", changed.etag)
    assert refused(registry.get_module, "d2", "m1") == (404, "ModuleNotFound")


def twins(registry):
    first = registry.get_twin("d2")
    assert (first.version, first.properties.desired["$version"], first.tags) == (2, 1, None), first
    patch = Twin(tags={"site": "oslo"}, properties=TwinProperties(desired={"a": {"b": 1, "c": 2}}))
    second = registry.update_twin("d2", patch, first.etag)
    assert second.etag != first.etag and second.properties.desired["$version"] == 2, second
    stale = refused(registry.update_twin, "d2", patch, first.etag)
    assert stale == (412, "PreconditionFailed"), stale
    third = registry.update_twin("d2", Twin(properties=TwinProperties(desired={"a": {"b": None}})), second.etag)
    assert third.properties.desired["a"] == {"c": 2}, third.properties.desired
    # What was read is sent back whole.
    third.tags = {"site": "bergen"}
    fourth = registry.replace_twin("d2", third, third.etag)
    assert (fourth.tags, fourth.properties.desired["a"]) == ({"site": "bergen"}, {"c": 2}), fourth
    assert refused(registry.get_twin, "none") == (404, "DeviceNotFound")


def bulk(registry):
    def item(number, mode, **members):
        return ExportImportDevice(id="bulk-{}".format(number), import_mode=mode, **members)

    result = registry.bulk_create_or_update_devices([item(n, "create", tags={"n": n}) for n in range(5)])
    assert result.is_successful and not result.errors, result
    result = registry.bulk_create_or_update_devices([item(0, "update", status="disabled"), item(9, "update")])
    assert not result.is_successful and [error.device_id for error in result.errors] == ["bulk-9"], result
    assert registry.get_device("bulk-0").status == "disabled"


def queries(registry):
    text = QuerySpecification(query="SELECT * FROM devices WHERE STARTSWITH(deviceId, 'bulk-') AND tags.n >= 0")
    found, more, pages = [], None, 0
    while pages == 0 or more:
        page = registry.query_iot_hub(text, more, 2)
        found += [twin.device_id for twin in page.items]
        more, pages = page.continuation_token, pages + 1
        assert page.type == "Twin", page.type
    assert (sorted(found), pages) == (["bulk-{}".format(n) for n in range(5)], 3), (found, pages)
    assert refused(registry.query_iot_hub, QuerySpecification(query="SELECT FROM")) == (400, "ArgumentInvalid")


def offline_methods(registry):
    method = CloudToDeviceMethod(
        method_name="reboot", payload={}, response_timeout_in_seconds=5, connect_timeout_in_seconds=0
    )
    assert refused(registry.invoke_device_method, "bulk-1", method) == (404, "DeviceNotOnline")
    assert refused(registry.invoke_device_method, "none", method) == (404, "DeviceNotFound")
    assert refused(registry.invoke_device_module_method, "bulk-1", "m", method) == (404, "ModuleNotFound")
    method.response_timeout_in_seconds = 4
    assert refused(registry.invoke_device_method, "bulk-1", method) == (400, "ArgumentInvalid")


def jobs(manager):
    def request(job_id, start, condition="*"):
        job = JobRequest()
        job.job_id = job_id
        job.type = "scheduleUpdateTwin"
        job.update_twin = Twin(etag="*", tags={"job": job_id})
        job.start_time = start.isoformat()
        job.max_execution_time_in_seconds = 60
        job.query_condition = condition
        return job

    later = request("later", datetime.utcnow() + timedelta(hours=1))
    assert manager.create_scheduled_job("later", later).status == "queued"
    assert manager.get_scheduled_job("later").status == "scheduled"
    again = refused(manager.create_scheduled_job, "later", later)
    assert again == (409, "JobAlreadyExists"), again
    assert manager.cancel_scheduled_job("later").status == "cancelled"
    assert manager.get_scheduled_job("later").status == "cancelled"
    twice = refused(manager.cancel_scheduled_job, "later")
    assert twice == (405, "OperationNotAllowedInCurrentState"), twice
    assert refused(manager.cancel_scheduled_job, "none") == (404, "JobNotFound")
    assert manager.get_scheduled_job("none").status == "unknown"
    far = request("far", datetime.utcnow() + timedelta(hours=169))
    assert refused(manager.create_scheduled_job, "far", far) == (400, "ArgumentInvalid")
    # Import and export are not there; their list is.
    assert manager.get_import_export_jobs() == []
    assert refused(manager.get_import_export_job, "none") == (404, "JobNotFound")


def main():
    connection_string = os.environ["IOTHUB_CONNECTION_STRING"]
    registry = IoTHubRegistryManager.from_connection_string(connection_string)
    for part in (devices, modules, twins, bulk, queries, offline_methods):
        part(registry)
        print(part.__name__, flush=True)
    jobs(IoTHubJobManager.from_connection_string(connection_string))
    print("jobs", flush=True)


if __name__ == "__main__":
    main()
