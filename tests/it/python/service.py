"""A back end as its developer would write it: two jobs on one device, polled until completed, then the rows.

Told nothing but IOTHUB_CONNECTION_STRING and, through REQUESTS_CA_BUNDLE, the CA; the device id is its argument.
Prints one JSON object a line.
"""

import json
import os
import sys
import time
import uuid
from datetime import datetime

from azure.iot.hub import IoTHubJobManager, IoTHubRegistryManager
from azure.iot.hub.models import (
    CloudToDeviceMethod,
    JobProperties,
    JobRequest,
    QuerySpecification,
    Twin,
    TwinProperties,
)

FINAL = ("completed", "failed", "cancelled")


def tell(**what):
    print(json.dumps(what), flush=True)


def job_request(job_id, device_id, job_type, **half):
    request = JobRequest()
    request.job_id = job_id
    request.type = job_type
    request.start_time = datetime.utcnow().isoformat()
    request.max_execution_time_in_seconds = 60
    request.query_condition = "DeviceId in ['{}']".format(device_id)
    for name, value in half.items():
        setattr(request, name, value)
    return request


def poll(jobs, job_id):
    while True:
        job = jobs.get_scheduled_job(job_id)
        if job.status in FINAL:
            return job
        time.sleep(0.1)


def main():
    connection_string, device_id = os.environ["IOTHUB_CONNECTION_STRING"], sys.argv[1]
    jobs = IoTHubJobManager.from_connection_string(connection_string)
    registry = IoTHubRegistryManager.from_connection_string(connection_string)

    method_job, twin_job = str(uuid.uuid4()), str(uuid.uuid4())
    created = jobs.create_scheduled_job(
        method_job,
        job_request(
            method_job,
            device_id,
            "scheduleDeviceMethod",
            cloud_to_device_method=CloudToDeviceMethod(method_name="lockDoor", payload={"lockTime": "10m"}),
        ),
    )
    tell(event="created", type=created.type, status=created.status)
    created = jobs.create_scheduled_job(
        twin_job,
        job_request(
            twin_job,
            device_id,
            "scheduleUpdateTwin",
            update_twin=Twin(etag="*", properties=TwinProperties(desired={"building": 43, "floor": 3})),
        ),
    )
    tell(event="created", type=created.type, status=created.status)

    for job_id in (method_job, twin_job):
        job = poll(jobs, job_id)
        statistics = job.device_job_statistics
        tell(
            event="ended",
            type=job.type,
            status=job.status,
            devices=statistics.device_count,
            succeeded=statistics.succeeded_count,
            failed=statistics.failed_count,
        )
        # The SDK models every row as a twin, which drops a job row's members; the raw response keeps them.
        rows = query(registry, "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{}'".format(job_id))
        for row in rows:
            tell(
                event="row",
                deviceId=row["deviceId"],
                jobType=row["jobType"],
                status=row["status"],
                outcome=row["outcome"],
            )
    twin = registry.get_twin(device_id)
    tell(event="twin", building=twin.properties.desired["building"], floor=twin.properties.desired["floor"])


def query(registry, text):
    """All rows of a query, as dictionaries."""
    found, more = [], None
    while True:
        answer = registry.protocol.query.get_twins(
            QuerySpecification(query=text), x_ms_continuation=more, raw=True
        ).response
        found += json.loads(answer.text)
        more = answer.headers.get("x-ms-continuation")
        if not more:
            return found


if __name__ == "__main__":
    main()
