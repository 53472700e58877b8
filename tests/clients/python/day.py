"""A day of a store, with the client that openapi-python-client generates and nothing else: no `type: ignore`, no cast."""

import re
import sys
import time

from oms_client import AuthenticatedClient, Client
from oms_client.api.events import follow_events
from oms_client.api.packages import get_package, list_packages, run_package_command
from oms_client.api.users import login
from oms_client.api.webhooks import create_webhook, update_webhook
from oms_client.models import (
    CompletePackingParameters,
    Credentials,
    ErrorCode,
    EventPage,
    FixedCountdown,
    FixedCountdownChoice,
    FixedCountdownKwargs,
    FollowEventsEntity,
    NewWebhook,
    Package,
    PackageAnswer,
    PackageCommand,
    PackageCommandDryRun,
    PackageEvent,
    PackageList,
    RuleError,
    Token,
    UpdatePackageShipmentStatusParameters,
    Webhook,
    WebhookChange,
)


def slug(package: Package, command: str) -> str:
    """What the package's state calls a command."""
    return next(allowed.slug for allowed in package.commands if allowed.command == command)


def main(base_url: str) -> None:
    visitor = Client(base_url=base_url)
    token = login.sync(client=visitor, body=Credentials("client", "a password of the demo"))
    assert isinstance(token, Token), token
    client = AuthenticatedClient(base_url=base_url, token=token.key, prefix="Token")

    page = list_packages.sync(client=client, state_enum_value="100", limit=2, sort="id")
    assert isinstance(page, PackageList), page
    print(f"{page.count} packages wait; the next page is {page.next_}")
    # The next page is asked for as this one was: with what the client sent, and nothing that it did not.
    assert page.next_ and sorted(re.findall(r"(\w+)=", page.next_)) == ["limit", "page", "sort", "state__enum_value"]
    waiting = page.results[0]

    def read() -> Package:
        package = get_package.sync(waiting.id, client=client)
        assert isinstance(package, Package), package
        return package

    dry_run = run_package_command.sync(
        waiting.id, client=client, body=PackageCommand(slug=slug(waiting, "COMPLETE_PACKING")), dry_run=True
    )
    assert isinstance(dry_run, PackageCommandDryRun), dry_run
    print(f"packing would answer {dry_run.status_code} and lead to {dry_run.effects.state.to.slug}")

    pack = PackageCommand(
        slug=slug(waiting, "COMPLETE_PACKING"),
        input_parameters=CompletePackingParameters(sync_remote_order_status=False),
    )
    answer = run_package_command.sync(waiting.id, client=client, body=pack)
    assert isinstance(answer, PackageAnswer), answer
    print(f"{answer.package_number} is packed at {answer.package_stock_location_name}")

    # Packed once, it cannot be packed again: 406, and the code says why.
    refusal = run_package_command.sync(waiting.id, client=client, body=pack)
    assert isinstance(refusal, RuleError), refusal
    assert refusal.error.error_code == ErrorCode.COMMANDS_100_1, refusal
    print(f"refused with {refusal.error.error_code}")

    ship = PackageCommand(slug=slug(read(), "SHIP_THE_PACKAGE"))
    assert isinstance(run_package_command.sync(waiting.id, client=client, body=ship), PackageAnswer)
    deliver = PackageCommand(
        slug=slug(read(), "UPDATE_PACKAGE_SHIPMENT_STATUS"),
        input_parameters=UpdatePackageShipmentStatusParameters(package=waiting.id, delivered_status=True),
    )
    assert run_package_command.sync_detailed(waiting.id, client=client, body=deliver).status_code == 204
    state = read().state
    assert state.enum_value == "700", state
    print(f"it is {state.name}")

    wanted = NewWebhook(
        target_url=f"https://example.com/python-{time.time_ns()}",
        event_type="package.created",
        retry_countdown_config=FixedCountdown(FixedCountdownKwargs(seconds=60), FixedCountdownChoice.FIXED),
    )
    hook = create_webhook.sync(client=client, body=wanted)
    assert isinstance(hook, Webhook), hook
    paused = update_webhook.sync(hook.id, client=client, body=WebhookChange(is_active=False))
    assert isinstance(paused, Webhook) and not paused.is_active, paused
    print(f"webhook {hook.id} is paused")

    seen: list[str] = []
    cursor = ""
    for _ in range(100):
        feed = follow_events.sync(
            client=client, after=cursor, entity=FollowEventsEntity.PACKAGE, object_id=waiting.id
        )
        assert isinstance(feed, EventPage), feed
        for event in feed.results:
            if isinstance(event, PackageEvent) and event.payload.number == waiting.number:
                seen.append(event.event.type_)
        cursor = feed.cursor
        if not feed.results or "package.status.packed" in seen:
            break
    assert "package.status.packed" in seen, seen
    print(f"the feed told {', '.join(seen)}")


main(sys.argv[1])
