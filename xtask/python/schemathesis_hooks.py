"""Lets schemathesis into a running ToggleBox.

Signs in as the admin that the run created, and makes one platform, environment, config and flag. The path parameters of
every request are then mapped, for about half of the generated values, to those names: otherwise nearly every request would
end at "not found" and never reach the code behind it.
"""

import json
import os
import re
import urllib.error
import urllib.request

import schemathesis

BASE = os.environ["TOGGLEBOX_URL"]

# What comes before a path parameter, and a name that exists there.
KNOWN = {
    "platforms": "web",
    "environments": "production",
    "configs": "greeting",
    "flags": "new_checkout",
    "experiments": "button_colour",
}

VARIATIONS = [
    {"key": "control", "name": "Control", "value": "blue", "isControl": True},
    {"key": "green", "name": "Green", "value": "green"},
]

SEED = [
    ("/platforms", {"name": "web"}),
    ("/platforms/web/environments", {"environment": "production"}),
    (
        "/platforms/web/environments/production/configs",
        {"parameterKey": "greeting", "valueType": "string", "defaultValue": "hello"},
    ),
    (
        "/platforms/web/environments/production/flags",
        {"flagKey": "new_checkout", "name": "New checkout", "flagType": "boolean", "enabled": True},
    ),
    (
        "/platforms/web/environments/production/experiments",
        {
            "experimentKey": "button_colour",
            "name": "Button colour",
            "hypothesis": "Green sells more",
            "variations": VARIATIONS,
            "controlVariation": "control",
            "trafficAllocation": [
                {"variationKey": "control", "percentage": 50},
                {"variationKey": "green", "percentage": 50},
            ],
            "primaryMetric": {
                "id": "sales",
                "name": "Sales",
                "eventName": "sale",
                "metricType": "conversion",
                "successDirection": "increase",
            },
        },
    ),
]


def post(path, body, token=None):
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(BASE + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def sign_in():
    credentials = {"email": os.environ["TOGGLEBOX_EMAIL"], "password": os.environ["TOGGLEBOX_PASSWORD"]}
    return post("/api/v1/auth/login", credentials)["data"]["token"]


def seed():
    token = sign_in()
    for path, body in SEED:
        try:
            post("/api/v1/internal" + path, body, token)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"seeding {path} answered {error.code}: {error.read().decode()}") from error


# A rejected token is fetched anew: a generated request may have signed the admin out.
@schemathesis.auth(retry_on=[401])
class Bearer:
    def get(self, case, context):
        return sign_in()

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if not path_parameters or context.operation is None:
        return path_parameters
    # Deleting what the other requests need would waste them.
    if context.operation.method.upper() == "DELETE":
        return path_parameters
    for segment, name in re.findall(r"/([^/{}]+)/\{([^}]+)\}", context.operation.path):
        value = path_parameters.get(name)
        if segment in KNOWN and sum(str(value).encode("utf-8", "surrogatepass")) % 2 == 0:
            path_parameters[name] = KNOWN[segment]
    return path_parameters


seed()
