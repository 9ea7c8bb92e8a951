"""Made-up documents in GitHub's Markdown, as GitHub's own parser reads them.

    markdown.py FOLDER

FOLDER has `markdown.ndjson`, which the test `made_up_markdown` of `crates/deliveries` writes.
Each document has to show exactly its text, with no element that it does not have, no link that
is not its own, and nothing that GitHub makes a mention or a reference of.
"""

import html.parser
import json
import pathlib
import re
import sys

import cmarkgfm
from cmarkgfm.cmark import Options

ELEMENTS = {"p", "h3", "ul", "li", "pre", "code", "table", "thead", "tbody", "tr", "th", "td",
            "strong", "em", "a", "br", "span"}
EXTENSIONS = ["table", "strikethrough", "autolink", "tasklist"]
REFERENCES = {
    "a mention": re.compile(r"(?<![\w`])@[A-Za-z0-9]"),
    "an issue": re.compile(r"#[0-9]"),
    "an issue of GH-": re.compile(r"(?i)\bgh-[0-9]"),
    "a commit": re.compile(r"(?i)(?<![0-9a-z])[0-9a-f]{7,40}(?![0-9a-z])"),
    "an address": re.compile(r"(?i)https?://|\bwww\."),
}


class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.elements, self.links, self.all, self.texts, self.code = [], [], "", [""], 0

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.texts.append("")
        self.code += tag == "code"
        self.links += [value for name, value in attributes if tag == "a" and name == "href"]

    def handle_endtag(self, tag):
        self.texts.append("")
        self.code -= tag == "code"

    def handle_data(self, data):
        self.all += data
        if not self.code:
            self.texts[-1] += data

    def handle_comment(self, data):
        self.elements.append("!--")


def links(doc):
    def spans(block):
        yield from block.get("spans", [])
        for item in block.get("items", []):
            yield from item
        for row in block.get("rows", []):
            for cell in row:
                yield from cell
    return [span for block in doc for span in spans(block) if span["span"] == "link"]


def squeezed(text):
    return re.sub(r"\s|\u200b", "", text)


def problems(one):
    options = Options.CMARK_OPT_UNSAFE | Options.CMARK_OPT_FOOTNOTES | Options.CMARK_OPT_HARDBREAKS
    shown = cmarkgfm.markdown_to_html_with_extensions(one["markdown"], options, EXTENSIONS)
    reader = Reader()
    reader.feed(shown)
    reader.close()
    strange = set(reader.elements) - ELEMENTS
    if strange:
        yield f"elements {strange}"
    if len(reader.links) > len(links(one["doc"])):
        yield f"links {reader.links}"
    if any(not link.startswith("https://example.com/") for link in reader.links):
        yield f"links {reader.links}"
    if squeezed(reader.all) != one["visible"]:
        yield f"shows {squeezed(reader.all)!r}, not {one['visible']!r}"
    for text in reader.texts:
        for what, pattern in REFERENCES.items():
            if pattern.search(text):
                yield f"{what}: {text!r}"
    for kind, tag in (("heading", "h3"), ("code", "pre")):
        count = sum(block["block"] == kind for block in one["doc"])
        if reader.elements.count(tag) > count:
            yield f"{reader.elements.count(tag)} {tag}, not {count}"


failed = count = 0
for text in (pathlib.Path(sys.argv[1]) / "markdown.ndjson").read_text().splitlines():
    one = json.loads(text)
    count += 1
    found = list(problems(one))
    if found and failed < 5:
        print(f"fail markdown {one['markdown']!r}: {'; '.join(found)}")
    failed += bool(found)
if not failed and count:
    print(f"pass markdown {count} documents show their text and do nothing else")
sys.exit(1 if failed or not count else 0)
