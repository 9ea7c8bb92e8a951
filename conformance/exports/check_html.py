# export: report.html --format html
"""HTML by a parser that forgives nothing, and what is in the page then."""

import functools

import html5lib
from report import FOLDER, check, end, findings

TEXT = (FOLDER / "report.html").read_text()
HIDDEN = [chr(n) for n in (0, 0x200B, 0x200E, 0x202A, 0x202E, 0x2066, 0x2069, 0xFEFF)]


# Seconds for a long page: once for all checks, which only read it.
@functools.cache
def page():
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    return parser.parse(TEXT)


def it_is_parsed():
    page()


def a_wrong_page_is_refused():
    parser = html5lib.HTMLParser(strict=True)
    try:
        parser.parse(TEXT.replace("</table>", "</tabel>", 1))
    except html5lib.html5parser.ParseError:
        return
    yield "it is taken"


def nothing_runs_and_nothing_is_loaded():
    allowed = {
        "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2",
        "p", "a", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "details",
        "summary", "dl", "dt", "dd", "bdi", "span", "code",
    }
    for element in page().iter():
        if element.tag not in allowed:
            yield f"<{element.tag}>"
        for name, value in element.attrib.items():
            if name.startswith("on") or name in ("src", "style", "srcset", "ping"):
                yield f"{name} of <{element.tag}>"
            if name == "href" and not value.startswith("#"):
                yield f"a link to {value}"
    policy = [m for m in page().iter("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    if not policy or "default-src 'none'" not in policy[0].get("content"):
        yield "no policy"


def every_finding_is_a_row():
    rows = page().findall(".//section[@id='findings']//tbody/tr")
    found = [row.find("th/div[@class='id']").text for row in rows]
    expected = [finding["id"] for finding in findings().values()]
    if sorted(found) != sorted(expected):
        yield f"{len(found)} rows, {len(expected)} findings"


def nothing_hides():
    yield from (f"U+{ord(c):04X}" for c in HIDDEN if c in TEXT)


def people_can_find_their_way():
    document = page()
    if document.get("lang") != "en":
        yield "no language"
    ids = [element.get("id") for element in document.iter() if element.get("id")]
    if len(ids) != len(set(ids)):
        yield "an id is there twice"
    for element in document.iter():
        for name in ("aria-labelledby",):
            if element.get(name) and element.get(name) not in ids:
                yield f"{element.get(name)} is nowhere"
    for table in document.iter("table"):
        if table.find("caption") is None:
            yield "a table without a caption"
        for head in table.iter("th"):
            if head.get("scope") not in ("row", "col"):
                yield "a heading of nothing"


check("it is parsed without an error", it_is_parsed)
check("a wrong page is refused", a_wrong_page_is_refused)
check("nothing runs and nothing is loaded", nothing_runs_and_nothing_is_loaded)
check("every finding is a row", every_finding_is_a_row)
check("nothing hides", nothing_hides)
check("people can find their way", people_can_find_their_way)
end()
