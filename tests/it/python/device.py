"""A device as its developer would write it: one method handler, one desired-properties handler.

Told nothing but IOTHUB_DEVICE_CONNECTION_STRING and, through SSL_CERT_FILE, the CA; or, as its arguments, host name,
device id, certificate file and key file. Prints one JSON object a line.
"""

import json
import os
import sys

from azure.iot.device import IoTHubDeviceClient, MethodResponse, X509


def tell(**what):
    print(json.dumps(what), flush=True)


def connect_by(host=None, device=None, certificate=None, key=None):
    if certificate is None:
        return IoTHubDeviceClient.create_from_connection_string(os.environ["IOTHUB_DEVICE_CONNECTION_STRING"])
    x509 = X509(cert_file=certificate, key_file=key)
    return IoTHubDeviceClient.create_from_x509_certificate(x509=x509, hostname=host, device_id=device)


def main():
    client = connect_by(*sys.argv[1:])

    def on_method(request):
        tell(event="method", name=request.name, payload=request.payload)
        status = 200 if request.name == "lockDoor" else 404
        client.send_method_response(
            MethodResponse.create_from_method_request(request, status, {"locked": status == 200})
        )

    def on_desired(patch):
        tell(event="desired", patch=patch)
        client.patch_twin_reported_properties({"building": patch.get("building")})
        tell(event="reported")

    client.on_method_request_received = on_method
    client.on_twin_desired_properties_patch_received = on_desired
    client.connect()
    twin = client.get_twin()
    tell(event="ready", desiredVersion=twin["desired"]["$version"])
    # The test closes standard input when it is done.
    sys.stdin.read()
    client.shutdown()
    tell(event="stopped")


if __name__ == "__main__":
    main()
