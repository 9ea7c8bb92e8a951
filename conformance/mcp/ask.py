"""The MCP server, asked by the official Python package, in both of its modes: the handshake of
the older revisions of the protocol, and the discovery of the newer ones.

ask.py --program COUNTERSIGN --home FOLDER      over standard input and output
ask.py --url URL --token TOKEN                  over streamable HTTP

TRUE_OPEN, where it is set, is how many open findings there are; HOSTILE is in the name of an
application that wants to be more than data.
"""

import argparse
import json
import os
import sys

import anyio
import httpx2
import jsonschema
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

TOOLS = ["search_findings", "count_findings", "get_finding", "list_applications",
         "what_changed", "expiring_credentials", "how_to_fix"]
parser = argparse.ArgumentParser()
for name in ["program", "home", "url", "token"]:
    parser.add_argument(f"--{name}")
GIVEN = parser.parse_args()
WAY = "http" if GIVEN.url else "stdio"
failed = 0


def transport(token):
    if GIVEN.url:
        headers = {"Authorization": f"Bearer {token}"}
        return streamable_http_client(GIVEN.url, http_client=httpx2.AsyncClient(headers=headers))
    arguments = ["--home", GIVEN.home, "mcp"]
    return stdio_client(StdioServerParameters(command=GIVEN.program, args=arguments))


async def check(mode, capability, act):
    global failed
    try:
        await act()
        print(f"pass python {WAY} {mode}: {capability}")
    except Exception as error:
        failed += 1
        print(f"fail python {WAY} {mode}: {capability}: {type(error).__name__}: {error}")


def texts(value, is_untrusted=False):
    """Each text of a result, and whether it is in an object called `untrusted`."""
    if isinstance(value, str):
        yield value, is_untrusted
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, is_untrusted)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from texts(one, is_untrusted or name == "untrusted")


async def call(client, tool, **inputs):
    result = await client.call_tool(tool, inputs)
    value = result.structured_content
    assert len(result.content) == 1 and json.loads(result.content[0].text) == value, tool
    assert "do not follow instructions" in value["about"], value["about"]
    return result.is_error, value


async def answer(client, tool, **inputs):
    is_error, value = await call(client, tool, **inputs)
    assert not is_error, f"{tool} {inputs}: {value}"
    return value


async def refused(act):
    try:
        await act
    except MCPError:
        return
    raise AssertionError("it was not refused")


async def suite(client, mode):
    async def tools():
        listed = (await client.list_tools()).tools
        assert [tool.name for tool in listed] == TOOLS, listed
        for tool in listed:
            hints = tool.annotations
            assert hints.read_only_hint and not hints.destructive_hint, tool.name
            assert hints.open_world_hint is False, tool.name
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)

    async def every_tool():
        found = await answer(client, "search_findings", limit=3)
        one = found["findings"][0]
        assert (await answer(client, "get_finding", id=one["id"]))["id"] == one["id"]
        counted = await answer(client, "count_findings", by="severity")
        assert counted["total"] == found["total"] == sum(v["findings"] for v in counted["values"])
        assert (await answer(client, "list_applications"))["total"] > 0
        assert (await answer(client, "what_changed", since="3650d"))["total_from_here"] > 0
        held = await answer(client, "expiring_credentials", days=3650)
        assert held["credentials_in_all"] > 0
        advice = await answer(client, "how_to_fix", finding=one["id"])
        assert advice["advice"][0]["untrusted"], advice

    async def pages():
        seen, inputs = set(), {"limit": 100}
        while True:
            page = await answer(client, "search_findings", **inputs)
            seen.update((one["id"], one["integration"]) for one in page["findings"])
            if "cursor" not in page:
                break
            inputs["cursor"] = page["cursor"]
        assert len(seen) == page["total"], (len(seen), page["total"])
        if "TRUE_OPEN" in os.environ:
            assert len(seen) == int(os.environ["TRUE_OPEN"]), len(seen)

    async def refusals():
        for tool, inputs, cause in [
            ("search_findings", {"filter": "(severity[eq]4) cwe[eq]1"}, "`cwe[eq]1` does not belong"),
            ("search_findings", {"delete": True}, "no input `delete`"),
            ("search_findings", {"limit": 1000}, "cannot be 1000"),
            ("get_finding", {}, "is missing"),
            ("what_changed", {"cursor": "'; drop table changes"}, "cannot be"),
            ("how_to_fix", {}, "exactly one"),
        ]:
            is_error, value = await call(client, tool, **inputs)
            assert is_error and cause in value["error"] and value["hint"], (tool, value)

    async def writes():
        await refused(client.call_tool("delete_finding", {"id": "0000"}))
        await refused(client.call_tool("update_finding", {"id": "0000", "state": "fixed"}))
        await refused(client.read_resource("file:///etc/passwd"))
        await refused(client.list_prompts())
        await refused(client.list_resources())
        await refused(client.get_prompt("x"))

    async def hostile():
        mark = os.environ["HOSTILE"]
        value = await answer(client, "list_applications", name=mark)
        found = [(text, inside) for text, inside in texts(value) if mark in text]
        assert found and all(inside for _, inside in found), value
        odd = [c for text, _ in texts(value) for c in text if c in "\u202e\u200b\u2066\x1b"]
        assert not odd, odd

    await check(mode, "every tool is listed, read-only", tools)
    await check(mode, "every tool is called", every_tool)
    await check(mode, "a list is whole, page by page", pages)
    await check(mode, "wrong inputs are refused by name", refusals)
    await check(mode, "whatever would write, or is unknown, is refused", writes)
    if "HOSTILE" in os.environ:
        await check(mode, "a hostile name stays data", hostile)


async def main():
    for mode in ["legacy", "auto"]:
        async with Client(transport(GIVEN.token), mode=mode) as client:
            await suite(client, f"{mode} {client.protocol_version}")
    if GIVEN.url:
        async def stranger():
            try:
                async with Client(transport("of nobody"), mode="legacy") as client:
                    await client.list_tools()
            except BaseException:  # noqa: BLE001 - a group of whatever the transport raises
                return
            raise AssertionError("it was let in")
        await check("legacy", "another token is refused", stranger)


anyio.run(main)
sys.exit(bool(failed))
