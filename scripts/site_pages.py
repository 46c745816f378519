"""Makes a site of the documents as they are on GitHub.

The READMEs are its first pages, and links out of docs/ lead to the repository. MkDocs loads
this file as a hook, and calls the functions by their names.
"""

import logging
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

# Under this name a strict build takes a warning for an error.
_LOGGER = logging.getLogger("mkdocs.hooks")
ROOT = Path(__file__).resolve().parent.parent
BRAND = "custom_components/hikari_denwa/brand"
FIRST_PAGES = {"README.md": "index.md", "README.ja.md": "ja/index.md"}
_NAMED_FENCE = re.compile(r"^(```yaml) name=.*$", re.MULTILINE)
_LINK = re.compile(r"(\]\(|(?:src|href)=\")([^)\s\"]+)")
_ELSEWHERE = re.compile(r"[a-z]+:|#")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
_WIDE = "[\\u3000-\\u30ff\\u3400-\\u9fff\\uff00-\\uffef]"
_BROKEN_LINE = re.compile(rf"(?<={_WIDE})\n *(?={_WIDE})")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Let the READMEs be the first pages, and the brand's pictures be the site's."""
    for readme, page in FIRST_PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / readme).read_text()))
    for picture in sorted((ROOT / BRAND).glob("*.png")):
        files.append(File.generated(config, f"brand/{picture.name}", content=picture.read_bytes()))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Make Markdown as GitHub shows it such as MkDocs wants it.

    The names of examples go, links that leave docs/ lead to where they can be seen, and a line
    that is broken within Japanese does not become a space.
    """
    written = {page: readme for readme, page in FIRST_PAGES.items()}.get(
        page.file.src_uri, f"docs/{page.file.src_uri}"
    )
    here = posixpath.dirname(page.file.src_uri)
    repository = f"{(config.repo_url or '').rstrip('/')}/blob/main"

    def lead(link: re.Match[str]) -> str:
        """Return a link as it has to be on the site."""
        target, mark, anchor = link[2].partition("#")
        if _ELSEWHERE.match(link[2]):
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(written), target))
        on_site = _on_site(path, files)
        if not (ROOT / path).exists():
            _LOGGER.warning("%s links to %s, which does not exist", written, link[2])
        where = posixpath.relpath(on_site, here or ".") if on_site else f"{repository}/{path}"
        return f"{link[1]}{where}{mark}{anchor}"

    parts = _FENCE.split(_NAMED_FENCE.sub(r"\1", markdown))
    parts[::2] = [_LINK.sub(lead, _BROKEN_LINE.sub("", text)) for text in parts[::2]]
    return "".join(parts)


def _on_site(path: str, files: Files) -> str | None:
    """Return where a file of the repository is on the site, None if it is not there."""
    if path in FIRST_PAGES:
        return FIRST_PAGES[path]
    for folder, place in (("docs/", ""), (f"{BRAND}/", "brand/")):
        if path.startswith(folder):
            uri = place + path.removeprefix(folder)
            return uri if files.get_file_from_path(uri) else None
    return None
