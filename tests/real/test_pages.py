"""labgate's own pages in a real browser: wide and narrow, light and dark, by keyboard."""

import pytest
from playwright.sync_api import expect

from lab_ui import SUBMIT

SIZES = {"wide": (1280, 800), "phone": (360, 740)}

# What a reader with a keyboard, a screen reader or a thumb needs, and what a page may not do.
CHECK = """() => {
  const problems = [];
  const visible = element => element.getClientRects().length > 0;
  const page = document.documentElement;
  if (page.scrollWidth > window.innerWidth) problems.push(`${page.scrollWidth} px wide`);
  if (!page.lang) problems.push('no language');
  if (!document.title.trim()) problems.push('no title');
  if (document.querySelectorAll('h1').length !== 1) problems.push('not one h1');
  if (!document.querySelector('main')) problems.push('no main');
  let level = 0;
  for (const heading of document.querySelectorAll('h1,h2,h3,h4')) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) problems.push(`${heading.tagName} after H${level}`);
    level = next;
  }
  for (const field of document.querySelectorAll('input:not([type=hidden]),select,textarea')) {
    if (visible(field) && !field.labels.length && !field.getAttribute('aria-label'))
      problems.push(`${field.name} has no label`);
  }
  for (const target of document.querySelectorAll('button,input:not([type=hidden])')) {
    if (visible(target) && target.getBoundingClientRect().height < 44)
      problems.push(`${target.name || target.textContent.trim()} is lower than 44 px`);
  }
  for (const control of document.querySelectorAll('button,a[href]')) {
    const name = control.textContent.trim() || control.getAttribute('aria-label');
    if (!name) problems.push(`${control.outerHTML} has no name`);
  }
  for (const image of document.images) if (!image.hasAttribute('alt')) problems.push('no alt');
  const ids = [...document.querySelectorAll('[id]')].map(element => element.id);
  if (new Set(ids).size !== ids.length) problems.push('an id twice');
  return problems;
}"""


@pytest.fixture(params=SIZES)
def size(request):
    return request.param


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def view(browser, size, scheme):
    """A page of that size and scheme; complaints of the browser and foreign requests fail."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        reduced_motion="reduce",
        has_touch=size == "phone",
    )
    page = context.new_page()
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    yield page
    context.close()
    # A browser reports an answer of 4xx or 5xx too: those pages are meant to be there.
    complaints = [text for text in complaints if "Failed to load resource" not in text]
    assert complaints == []
    foreign = [url for url in requests if "localhost:" not in url and not url.startswith("data:")]
    assert foreign == []


def good(page):
    """Nothing is wrong with the page."""
    assert page.evaluate(CHECK) == [], page.url


def test_every_page_can_be_used(lab, view, size, scheme, sign_in, picture):
    def shot(name):
        good(view)
        picture(view, f"pages/{name}-{size}-{scheme}")

    view.goto(lab.host("jupyter"))
    shot("sign-in")
    sign_in(view, "ana", "wrong")
    expect(view.locator("[role=alert]")).to_be_visible()
    shot("sign-in-wrong")
    view.goto(f"{lab.main}/.labgate/sign-in")
    sign_in(view)
    view.wait_for_url(lambda url: "sign-in" not in url)
    view.goto(f"{lab.main}/.labgate/")
    shot("home")
    expect(view.get_by_role("link", name="jupyter").first).to_be_visible()
    view.goto(f"{lab.main}/.labgate/nothing-here")
    shot("not-found")
    view.goto(f"{lab.main}/.labgate/sign-out")
    shot("sign-out")
    view.click(SUBMIT)
    view.wait_for_load_state()
    good(view)


def test_a_tool_that_is_away_has_a_page(start_labgate, view, size, scheme, picture):
    lab = start_labgate(
        """
[[route]]
name = "away"
upstream = "http://127.0.0.1:9"
access = "public"
"""
    )
    answer = view.goto(f"{lab.main}/deep/link?x=1")
    assert answer.status == 502
    good(view)
    picture(view, f"pages/tool-away-{size}-{scheme}")


def test_cookies_that_piled_up_have_a_page(start_labgate, view, size, scheme, picture):
    # T77
    main = start_labgate("").main
    cookies = [{"name": f"c{n}", "value": "v" * 4000, "url": main} for n in range(20)]
    view.context.add_cookies(cookies)
    answer = view.goto(main)
    assert answer.status == 431
    good(view)
    expect(view.locator("dl")).to_contain_text("cookie: ")
    picture(view, f"pages/too-large-{size}-{scheme}")


def test_signing_in_needs_only_the_keyboard(lab, page):
    page.goto(f"{lab.host('jupyter')}/api")
    expect(page.locator("[name=username]")).to_be_focused()
    page.keyboard.type("ana")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{lab.host('jupyter')}/api")


def test_a_deep_link_comes_back_with_its_fragment(lab, page, sign_in):
    # T28, T87: over the sign-in form and from one host to the other.
    target = f"{lab.host('jupyter')}/api/contents?u=a%26b%3Dc&v=%2520#here"
    page.goto(target)
    sign_in(page)
    page.wait_for_url(lambda url: url.startswith(lab.host("jupyter")))
    assert page.url == target


def test_signing_in_works_without_script(lab, browser, sign_in):
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        target = f"{lab.host('jupyter')}/api?x=%2B"
        page.goto(target)
        sign_in(page)
        page.wait_for_url(target)


def test_the_pages_cannot_be_framed(lab, page):
    # T52
    page.goto(f"{lab.main}/.labgate/live")
    page.set_content(f'<iframe src="{lab.main}/.labgate/sign-in"></iframe>')
    frame = page.frames[-1]
    page.wait_for_timeout(500)
    assert frame.locator("[name=password]").count() == 0
