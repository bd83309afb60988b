"""MagicTunnel: one MCP server in front of many.

A host (Claude Desktop, an IDE, a remote agent) connects to MagicTunnel and sees the tools, resources, resource
templates, prompts and completions of every MCP server behind it, merged and live.

The words
    Backend      anything that offers tools, prompts or resources; an MCP server we call is one
    Listing      what one backend offers now: all pages, all kinds
    Entry        one offered thing, with its public name, its owner, and its name there
    Catalog      all entries; immutable; one reference, swapped whole
    Caller       who asks: its name, its era, its capabilities, what it may use, and the ways to ask it back
    Call         one request on its way from a caller to an entry
    Interceptor  wraps every Call
    Front        the one MCP server that clients see
    Supervisor   keeps one backend alive
    Guide        a tool of ours by which others are found; View: what a client is shown, all tools or these

The layers, high to low; an import only points down
    __main__, cli                    the shell
    admin | front                    what the shell asks of us | what clients see: lists from the catalog, calls
    reload                           the config's files, watched
    gateway                          composition root: builds everything from a Config
    express                          calls that are begun without a task
    router                           Call -> entry -> backend; deadlines
    subscriptions | discovery        who wants to hear of what | the right tool: found, filled, called
    capabilities                     tools that files declare, without a server
    pipeline | backends              what happens to every Call | servers reached, spoken to, kept alive
    generators                       descriptions of APIs -> capability files
    store | secrets | telemetry      what servers offered | ${VAR} and masking | how we log
    wire                             JSON-RPC lines and processes
    config                           what can stand in the file, and how it is read
    catalog | masks                  pure: Listings -> Catalog, names, what is visible | secrets out of texts
    errors                           every exception, drawn as a tree

The way of a `tools/call`
    Most need nobody to wait for them: `front/short.py` begins them, `express.py` says where they lead, and the result
    is given out in the step in which it is read (`wire/begun.py`). What needs more goes on as an ordinary call:
    1. `front/handlers.py` makes a Call of the raw params and pins the catalog of this moment.
    2. `pipeline/__init__.py` is the list of interceptors it passes, outermost first.
    3. `router.py` looks the public name up: owner and original name, or UnknownEntry.
    4. `backends/supervisor.py`: ready, go; starting, wait within the deadline; down, fail at once with the last error.
       `backends/sides.py` decides which connection to the server it takes.
    5. `backends/exchanges.py` sends the raw params under its own id; progress, log and questions go back to this caller
       (`backends/talk.py`).
    6. The raw result goes back the same way, and out untouched but for links that must lead back to their owner.

The way of a list change
    backend says so -> its supervisor lists that kind again -> equal: stop -> `catalog/merge.py` -> equal: stop ->
    `catalog/live.py` swaps the catalog -> `discovery/views.py` says whom it concerns -> `front/notify.py` tells each
    of these clients once, in its own era.
"""

__version__ = "0.1.0"
