"""A device, a module and their back end in one process: methods, twins, a dropped connection, a hub that goes and
returns, the renewal of tokens.

Told nothing but IOTHUB_CONNECTION_STRING, the device's id and name of the hub, and, through the two variables of the
SDKs, the CA. Prints the name of each part that held; "restart" asks the test to restart the hub and to write a line.
"""

import os
import queue
import sys

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, MethodResponse
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import CloudToDeviceMethod, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

KEYS = ("cHJpbWFyeS1rZXktb2YtdGhlLXRlc3QtMDEyMzQ1Njc=", "c2Vjb25kYXJ5LWtleS1vZi10aGUtdGVzdC0wMTIzNDU=")
PATIENCE = 50
# The SDK renews a token two minutes before its end: this one after a second.
SHORT_LIVED = 121


class Client:
    """A device or module that answers `echo`, never answers `silence`, and reports what it is told to be."""

    def __init__(self, sdk_client):
        self.sdk = sdk_client
        self.states, self.patches = queue.Queue(), queue.Queue()
        sdk_client.on_connection_state_change = lambda: self.states.put(sdk_client.connected)
        sdk_client.on_method_request_received = self.answer
        sdk_client.on_twin_desired_properties_patch_received = self.patches.put
        sdk_client.connect()
        # The SDK subscribes when the first of these is asked for.
        self.twin = sdk_client.get_twin()

    def answer(self, request):
        if request.name == "echo":
            self.sdk.send_method_response(MethodResponse.create_from_method_request(request, 207, request.payload))

    def comes_back(self):
        """Waits until the connection was lost and made again."""
        while self.states.get(timeout=PATIENCE):
            pass
        while not self.states.get(timeout=PATIENCE):
            pass


def method(name, payload, connect_timeout=0):
    return CloudToDeviceMethod(
        method_name=name,
        payload=payload,
        response_timeout_in_seconds=max(5, connect_timeout),
        connect_timeout_in_seconds=connect_timeout,
    )


def echoes(call, *target, connect_timeout=0):
    for payload in ({"lockTime": "10m", "n": [1, None, 2.5]}, "{}", 0, None):
        answer = call(*target, method("echo", payload, connect_timeout))
        # The service package sends an empty text for nothing.
        wanted = "" if payload is None else payload
        assert (answer.status, answer.payload) == (207, wanted), answer


def time_out(registry, device_id):
    try:
        registry.invoke_device_method(device_id, method("silence", {}))
    except HttpOperationError as error:
        code = error.response.headers.get("iothub-errorcode")
        assert (error.response.status_code, code) == (504, "GatewayTimeout"), error.response.text
        assert '\\"errorCode\\":504101' in error.response.text, error.response.text
        return
    raise AssertionError("a method that nobody answers was answered")


def twins(registry, device, device_id, module, module_id):
    device.sdk.patch_twin_reported_properties({"firmware": {"version": "1.0", "old": None}})
    found = registry.get_twin(device_id)
    assert found.properties.reported["firmware"] == {"version": "1.0"}, found.properties.reported
    assert found.connection_state == "Connected", found
    registry.update_twin(device_id, Twin(properties=TwinProperties(desired={"building": 43, "floor": 3})))
    patch = device.patches.get(timeout=PATIENCE)
    assert patch == {"building": 43, "floor": 3, "$version": 2}, patch
    assert device.sdk.get_twin()["desired"] == patch
    registry.update_module_twin(device_id, module_id, Twin(properties=TwinProperties(desired={"on": True})))
    assert module.patches.get(timeout=PATIENCE) == {"on": True, "$version": 2}
    module.sdk.patch_twin_reported_properties({"on": True})
    found = registry.get_module_twin(device_id, module_id)
    assert found.properties.reported["on"] is True, found.properties.reported


def main():
    host, device_id, module_id = sys.argv[1], sys.argv[2], "camera"
    registry = IoTHubRegistryManager.from_connection_string(os.environ["IOTHUB_CONNECTION_STRING"])
    registry.create_device_with_sas(device_id, *KEYS, status="enabled")
    registry.create_module_with_sas(device_id, module_id, "", *KEYS)
    identities = [
        "HostName={};DeviceId={};SharedAccessKey={}".format(host, device_id, KEYS[0]),
        "HostName={};DeviceId={};ModuleId={};SharedAccessKey={}".format(host, device_id, module_id, KEYS[1]),
    ]
    device = Client(IoTHubDeviceClient.create_from_connection_string(identities[0], connection_retry_interval=1))
    module = Client(IoTHubModuleClient.create_from_connection_string(identities[1], connection_retry_interval=1))

    echoes(registry.invoke_device_method, device_id)
    echoes(registry.invoke_device_module_method, device_id, module_id)
    print("methods", flush=True)
    time_out(registry, device_id)
    print("time_out", flush=True)
    twins(registry, device, device_id, module, module_id)
    print("twins", flush=True)

    # Whoever comes second takes the connection away; the device, which tries again at once, takes it back.
    rival = IoTHubDeviceClient.create_from_connection_string(identities[0], connection_retry=False)
    rival.connect()
    device.comes_back()
    echoes(registry.invoke_device_method, device_id, connect_timeout=PATIENCE)
    rival.shutdown()
    print("dropped", flush=True)

    print("restart", flush=True)
    sys.stdin.readline()
    device.comes_back()
    module.comes_back()
    # The sessions outlive the hub: nobody subscribes again.
    echoes(registry.invoke_device_method, device_id, connect_timeout=PATIENCE)
    echoes(registry.invoke_device_module_method, device_id, module_id, connect_timeout=PATIENCE)
    print("reconnect", flush=True)
    device.sdk.shutdown()
    module.sdk.shutdown()

    device = Client(IoTHubDeviceClient.create_from_connection_string(identities[0], sastoken_ttl=SHORT_LIVED))
    module = Client(IoTHubModuleClient.create_from_connection_string(identities[1], sastoken_ttl=SHORT_LIVED))
    device.comes_back()
    module.comes_back()
    echoes(registry.invoke_device_method, device_id, connect_timeout=PATIENCE)
    echoes(registry.invoke_device_module_method, device_id, module_id, connect_timeout=PATIENCE)
    print("renewal", flush=True)
    device.sdk.shutdown()
    module.sdk.shutdown()


if __name__ == "__main__":
    main()
