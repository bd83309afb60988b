"""Names, short forms, and which kind of doing stands for which; words and their relations are in `synonyms.txt`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

_BRANDS = """
    github gitlab mongodb mysql postgresql youtube linkedin javascript typescript onedrive sharepoint hubspot
    dropbox paypal whatsapp devops graphql openai quickbooks wordpress facebook tiktok bigquery dynamodb cosmosdb
    clickup airtable clickhouse redshift sqlite mariadb elasticsearch opensearch snowflake databricks powerpoint
    onenote docusign mailchimp sendgrid postman bitbucket circleci pagerduty datadog newrelic servicenow zendesk
    deepseek deepwiki firecrawl duckduckgo macos ios iphone ipad icloud airbnb doordash mcp nginx rabbitmq grpc
    fastapi nodejs nextjs vuejs reactjs latex pubmed arxiv biorxiv medrxiv clinicaltrials wikipedia hackernews
    instagram
"""
BRANDS = frozenset(_BRANDS.split())
"""Names in mixed case that are one word."""

JOINED = {
    "dropdown": ("drop-down",), "checkbox": ("checkbox",), "hackernews": ("hacker", "news"),
    "timezone": ("time", "zone"), "timezones": ("time", "zones"), "filename": ("file", "name"),
    "filenames": ("file", "names"), "filepath": ("file", "path"), "username": ("user", "name"),
    "usernames": ("user", "names"), "hostname": ("host", "name"), "nodepool": ("node", "pool"),
    "nodepools": ("node", "pools"), "subfolder": ("sub", "folder"), "subfolders": ("sub", "folders"),
    "subtask": ("sub", "task"), "subtasks": ("sub", "tasks"), "workitem": ("work", "item"),
    "workitems": ("work", "items"), "mindmap": ("mind", "map"), "flowchart": ("flow", "chart"),
    "wordcount": ("word", "count"), "screenshot": ("screenshot",), "keyvault": ("key", "vault"),
    "appconfig": ("app", "config"), "functionapp": ("function", "app"), "functionapps": ("function", "apps"),
    "webapp": ("web", "app"), "webapps": ("web", "apps"), "webpage": ("web", "page"), "webpages": ("web", "pages"),
    "website": ("web", "site"), "websites": ("web", "sites"), "subreddit": ("subreddit",),
    "eventhub": ("event", "hub"), "eventhubs": ("event", "hubs"), "eventgrid": ("event", "grid"),
    "servicebus": ("service", "bus"), "firewallrule": ("firewall", "rule"), "loadtest": ("load", "test"),
    "healthcheck": ("health", "check"), "codebase": ("code", "base"), "changelog": ("change", "log"),
    "linechart": ("line", "chart"), "barchart": ("bar", "chart"), "piechart": ("pie", "chart"),
    "wordcloud": ("word", "cloud"), "datacenter": ("data", "center"), "datastore": ("data", "store"),
    "dataset": ("data", "set"), "datasets": ("data", "sets"), "watchlist": ("watch", "list"),
    "playlist": ("playlist",), "weblink": ("web", "link"), "backlink": ("back", "link"),
    "voicemail": ("voice", "mail"), "standup": ("standup",), "namespace": ("namespace",), "costs": ("cost",),
    "powerpoint": ("powerpoint",),
}  # fmt: skip
"""Words that are often written as two, as the two."""

ABBREVIATIONS = {
    "pr": ("pull", "request"), "prs": ("pull", "requests"), "mr": ("merge", "request"), "mrs": ("merge", "requests"),
    "db": ("database",), "dbs": ("databases",), "repo": ("repository",), "repos": ("repositories",),
    "k8s": ("kubernetes",), "k8": ("kubernetes",), "kube": ("kubernetes",), "pg": ("postgres",),
    "psql": ("postgres",), "pgsql": ("postgres",), "postgresql": ("postgres",), "mongodb": ("mongodb",),
    "mongo": ("mongodb",), "js": ("javascript",), "ts": ("typescript",), "py": ("python",), "md": ("markdown",),
    "dm": ("direct", "message"), "dms": ("direct", "messages"), "msg": ("message",), "msgs": ("messages",),
    "dir": ("directory",), "dirs": ("directories",), "env": ("environment",), "envs": ("environments",),
    "config": ("configuration",), "configs": ("configurations",), "conf": ("configuration",), "app": ("application",),
    "apps": ("applications",), "auth": ("authentication",), "authn": ("authentication",), "perf": ("performance",),
    "temp": ("temperature",), "tz": ("time", "zone"), "vm": ("virtual", "machine"), "vms": ("virtual", "machines"),
    "acct": ("account",), "img": ("image",), "imgs": ("images",), "pic": ("picture",), "pics": ("pictures",),
    "vid": ("video",), "tbl": ("table",), "col": ("column",), "cols": ("columns",), "param": ("parameter",),
    "params": ("parameters",), "args": ("arguments",), "stats": ("statistics",), "spec": ("specification",),
    "specs": ("specifications",), "info": ("information",), "desc": ("description",), "del": ("delete",),
    "rm": ("remove",), "ls": ("list",), "mkdir": ("create", "directory"), "cmd": ("command",), "cmds": ("commands",),
    "exec": ("execute",), "proc": ("process",), "procs": ("processes",), "pkg": ("package",), "pkgs": ("packages",),
    "dep": ("dependency",), "deps": ("dependencies",), "lib": ("library",), "libs": ("libraries",), "url": ("url",),
    "ppt": ("powerpoint",), "pptx": ("powerpoint",), "xls": ("excel",), "xlsx": ("excel",),
    "docx": ("word", "document"), "cal": ("calendar",), "gcal": ("google", "calendar"), "yt": ("youtube",),
    "wiki": ("wikipedia",), "hn": ("hacker", "news"), "gh": ("github",), "sub": ("subscription",),
    "ref": ("reference",), "refs": ("references",), "num": ("number",), "qty": ("quantity",), "max": ("maximum",),
    "min": ("minimum",), "avg": ("average",), "std": ("standard",), "btc": ("bitcoin",), "eth": ("ethereum",),
    "nyc": ("new", "york"), "temps": ("temperatures",), "nr": ("number",), "todo": ("task",), "todos": ("tasks",),
    "aks": ("aks", "kubernetes"), "acr": ("acr", "container", "registry"), "rg": ("resource", "group"),
    "ghcr": ("container", "registry"), "ci": ("ci",), "perms": ("permissions",), "iam": ("access",),
    "rbac": ("role", "access"), "rag": ("retrieval",), "sha": ("commit",), "ver": ("version",), "vers": ("versions",),
    "prefs": ("preferences",), "calc": ("calculate",), "sched": ("schedule",), "appt": ("appointment",),
    "appts": ("appointments",), "addr": ("address",), "tel": ("phone",), "qr": ("qr",), "asap": (), "pls": (),
    "plz": (), "thx": (), "ok": (), "hey": (), "hi": (), "rn": ("now",), "deg": ("degree",), "rad": ("radian",),
}  # fmt: skip
"""Short forms, written out, in requests and in documents alike."""


LIKE = {
    ("list", "get"): 0.7, ("list", "search"): 0.6, ("get", "search"): 0.5, ("list", "count"): 0.4,
    ("get", "count"): 0.2, ("get", "download"): 0.3, ("get", "analyze"): 0.3, ("get", "validate"): 0.3,
    ("create", "upload"): 0.3, ("create", "update"): 0.25, ("create", "send"): 0.4, ("create", "draw"): 0.6,
    ("create", "convert"): 0.3, ("create", "copy"): 0.3, ("create", "deploy"): 0.5, ("create", "run"): 0.2,
    ("update", "approve"): 0.4, ("update", "deny"): 0.3, ("update", "stop"): 0.2, ("update", "move"): 0.3,
    ("delete", "stop"): 0.2, ("delete", "deny"): 0.2, ("stop", "deny"): 0.4, ("run", "play"): 0.3,
    ("run", "deploy"): 0.3, ("get", "visit"): 0.2, ("connect", "visit"): 0.2, ("analyze", "compare"): 0.3,
    ("analyze", "calculate"): 0.3, ("search", "recommend"): 0.4, ("get", "recommend"): 0.4, ("convert", "split"): 0.2,
    ("convert", "merge"): 0.1, ("get", "calculate"): 0.3, ("update", "merge"): 0.1, ("draw", "convert"): 0.3,
    ("get", "convert"): -0.2, ("list", "convert"): -0.3, ("list", "recommend"): 0.2,
    ("create", "delete"): -0.7, ("update", "delete"): -0.5, ("list", "delete"): -0.8,
    ("get", "delete"): -0.8, ("search", "delete"): -0.8, ("list", "create"): -0.7, ("get", "create"): -0.6,
    ("search", "create"): -0.7, ("list", "update"): -0.6, ("get", "update"): -0.5, ("search", "update"): -0.6,
    ("list", "send"): -0.6, ("get", "send"): -0.5, ("search", "send"): -0.6, ("stop", "play"): -0.7,
    ("stop", "run"): -0.6, ("approve", "deny"): -0.7, ("connect", "disconnect"): -0.7, ("upload", "download"): -0.7,
    ("merge", "split"): -0.6, ("send", "delete"): -0.5, ("create", "stop"): -0.5, ("get", "stop"): -0.5,
    ("list", "stop"): -0.5, ("delete", "restore"): -0.6,
}  # fmt: skip
"""How far one kind of doing can stand for another: 1 the same, below 0 the contrary. Others: 0."""


def sections() -> Mapping[str, tuple[str, ...]]:
    """The lines of `synonyms.txt` by section: verbs, phrases, groups, hints."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in files(__package__).joinpath("synonyms.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            found.setdefault(section, []).append(line)
    return {name: tuple(lines) for name, lines in found.items()}
