"""A back end that signs in with Entra ID: one principal may read, the other may do everything.

Told the hub's host and the two tokens; REQUESTS_CA_BUNDLE names the CA.
"""

import sys
import time

from azure.core.credentials import AccessToken
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin
from msrest.exceptions import HttpOperationError


class Credential:
    """What the packages of azure-identity are to an SDK, with a token that is already there."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **_):
        assert scopes == ("https://iothubs.azure.net/.default",), scopes
        return AccessToken(self.token, int(time.time()) + 3600)


def main():
    host, reader, contributor = sys.argv[1:]
    reader = IoTHubRegistryManager.from_token_credential(host, Credential(reader))
    contributor = IoTHubRegistryManager.from_token_credential(host, Credential(contributor))
    contributor.create_device_with_certificate_authority("d1", "enabled")
    assert contributor.update_twin("d1", Twin(tags={"a": 1})).tags == {"a": 1}
    assert reader.get_twin("d1").tags == {"a": 1}
    try:
        reader.create_device_with_certificate_authority("d2", "enabled")
    except HttpOperationError as error:
        code = error.response.headers.get("iothub-errorcode")
        assert (error.response.status_code, code) == (401, "IotHubUnauthorizedAccess"), error.response.text
    else:
        raise AssertionError("a reader created a device")


if __name__ == "__main__":
    main()
