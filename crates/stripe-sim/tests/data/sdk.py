"""Drives the simulator with Stripe's own Python client; prints `fine` at the end."""

import base64
import json
import sys
import time
import urllib.request

import stripe

BASE = sys.argv[1]


def control(path, body=None, method="POST"):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{BASE}/_sim/{path}", data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


client = stripe.StripeClient(
    "sk_test_sdk", base_addresses={"api": BASE}, stripe_version="2026-09-30.endive", max_network_retries=2
).v1
now = control("clock", method="GET")["now"]

# Catalogue.
product = client.products.create({"name": "Pro"})
month = {"interval": "month"}
pro = client.prices.create({"product": product.id, "currency": "usd", "unit_amount": 1000, "recurring": month})
big = client.prices.create({"product": product.id, "currency": "usd", "unit_amount": 2000, "recurring": month})
meter = client.billing.meters.create(
    {
        "display_name": "Requests",
        "event_name": "requests",
        "default_aggregation": {"formula": "sum"},
        "event_time_window": "hour",
    }
)
usage = client.prices.create(
    {
        "product": product.id,
        "currency": "usd",
        "billing_scheme": "tiered",
        "tiers_mode": "graduated",
        "tiers": [{"up_to": 1000, "unit_amount": 0}, {"up_to": "inf", "unit_amount_decimal": "0.5"}],
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter.id},
    }
)
hook = client.webhook_endpoints.create({"url": "http://127.0.0.1:9/hook", "enabled_events": ["*"]})
control(f"webhooks/{hook.id}/mode", {"manual": True})

# Checkout, repeated under its key.
wanted = {
    "mode": "subscription",
    "line_items": [{"price": pro.id, "quantity": 1}, {"price": usage.id}],
    "client_reference_id": "signup",
    "subscription_data": {"metadata": {"tenant": "acme"}},
    "success_url": "https://example.com/{CHECKOUT_SESSION_ID}",
}
session = client.checkout.sessions.create(wanted, {"idempotency_key": "signup:1"})
assert client.checkout.sessions.create(wanted, {"idempotency_key": "signup:1"}).id == session.id
try:
    client.checkout.sessions.create({**wanted, "client_reference_id": "x"}, {"idempotency_key": "signup:1"})
    raise SystemExit("the key was taken with another request")
except stripe.IdempotencyError:
    pass
control(f"checkout/{session.id}/complete", {"outcome": "paid"})
session = client.checkout.sessions.retrieve(session.id, {"expand": ["subscription"]})
assert session.status == "complete" and session.payment_status == "paid", session
subscription = session.subscription
assert subscription.status == "active" and subscription.metadata["tenant"] == "acme", subscription

# Usage.
client.billing.meter_events.create(
    {
        "event_name": "requests",
        "identifier": "acme:1",
        "timestamp": now,
        "payload": {"stripe_customer_id": session.customer, "value": "3000"},
    }
)
hour = now // 3600 * 3600
summaries = client.billing.meters.event_summaries.list(
    meter.id, {"customer": session.customer, "start_time": hour, "end_time": hour + 3600}
)
assert summaries.data[0].aggregated_value == 3000, summaries

# A change, at the price of its preview.
item = subscription["items"].data[0]
details = {
    "items": [{"id": item.id, "price": big.id}],
    "proration_behavior": "always_invoice",
    "proration_date": now,
}
preview = client.invoices.create_preview({"subscription": subscription.id, "subscription_details": details})
subscription = client.subscriptions.update(
    subscription.id, {**details, "payment_behavior": "pending_if_incomplete", "expand": ["latest_invoice"]}
)
assert subscription.latest_invoice.amount_paid == preview.amount_due == 1000, (preview, subscription)

# A fault is retried by the client.
control("faults", {"method": "GET", "path": "/v1/subscriptions", "kind": "drop"})
assert client.subscriptions.retrieve(subscription.id)["items"].data[0].price.id == big.id
try:
    client.subscriptions.retrieve("sub_none")
    raise SystemExit("found what is not there")
except stripe.InvalidRequestError as error:
    assert error.code == "resource_missing" and error.http_status == 404, error

# Renewal with usage, then the end.
control("clock/advance", {"seconds": 31 * 86400 + 3600})
invoice = client.invoices.list({"subscription": subscription.id, "limit": 1}).data[0]
assert invoice.amount_paid == 2000 + 1000, invoice
payment = client.invoice_payments.list({"invoice": invoice.id}).data[0]
refund = client.refunds.create({"payment_intent": payment.payment.payment_intent, "amount": 500})
assert refund.status == "succeeded"
portal = client.billing_portal.sessions.create({"customer": session.customer, "return_url": "https://example.com"})
assert portal.url.startswith("https://")
assert client.subscriptions.cancel(subscription.id, {"invoice_now": True}).status == "canceled"

# The list of events, page by page, and every delivery.
events = [event.id for event in client.events.list({"limit": 7}).auto_paging_iter()]
deliveries = [one for one in control("webhooks/take", {}) if one["endpoint"] == hook.id]
# The list goes back for thirty days.
assert events and set(events) <= {one["event_id"] for one in deliveries}
for delivery in deliveries:
    header = delivery["headers"]["Stripe-Signature"]
    # The client compares with the machine's clock: it gets a tolerance as long as the clocks differ.
    tolerance = int(abs(time.time() - int(header.split(",")[0][2:]))) + 300
    body = delivery["body"].encode()
    event = stripe.Webhook.construct_event(body, header, hook.secret, tolerance=tolerance)
    assert event.id == delivery["event_id"]
    try:
        stripe.Webhook.construct_event(body + b" ", header, hook.secret, tolerance=tolerance)
        raise SystemExit("accepted a changed body")
    except stripe.SignatureVerificationError:
        pass
kinds = {json.loads(one["body"])["type"] for one in deliveries}
for kind in ["checkout.session.completed", "customer.subscription.deleted", "invoice.paid"]:
    assert kind in kinds, kinds

# The user name of Basic is a key too.
request = urllib.request.Request(f"{BASE}/v1/account")
request.add_header("Authorization", "Basic " + base64.b64encode(b"sk_test_1:").decode())
with urllib.request.urlopen(request) as answer:
    assert json.load(answer)["object"] == "account"
print("fine")
