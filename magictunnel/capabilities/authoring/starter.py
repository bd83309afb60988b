"""The text of a first capability file: short, commented, and all of it runs without a network."""

from __future__ import annotations

STARTER = """\
# Tools without a server. Each entry below `tools` is one tool: what clients are told of it, and how it runs.
#
#   magictunnel capabilities validate {file}          whether it is all right
#   magictunnel capabilities test {file}              what is in it
#   magictunnel capabilities test {file} shorten text="a long story" width=8
#
# To serve it, have this in the config:  capabilities: [{file}]

instructions: Small tools for text and numbers.

tools:
  # A program, started without a shell: each element of the list is one argument, whatever is in it.
  - name: today
    description: What day it is on this machine.
    annotations: {{readOnlyHint: true, openWorldHint: false}}
    inputSchema:
      type: object
      properties:
        format: {{type: string, description: "As `date` takes it.", default: "%A, %d %B %Y"}}
    command: [date, "+{{{{format}}}}"]

  # A function of Python, in a process of its own. One of yours: `function: my_module:my_function`, in my_module.py
  # beside this file.
  - name: shorten
    description: Shorten a text to a number of characters, at the end of a word.
    annotations: {{readOnlyHint: true, openWorldHint: false}}
    inputSchema:
      type: object
      properties:
        text: {{type: string}}
        width: {{type: integer, minimum: 5, default: 80}}
      required: [text]
    python:
      function: textwrap:shorten
      arguments: {{text: "{{{{text}}}}", width: "{{{{width}}}}", placeholder: "..."}}

  # Several steps: those that do not wait for each other run at the same time.
  - name: summary
    description: The mean and the spread of some numbers.
    annotations: {{readOnlyHint: true, openWorldHint: false}}
    inputSchema:
      type: object
      properties:
        numbers: {{type: array, items: {{type: number}}, minItems: 2}}
      required: [numbers]
    steps:
      - name: mean
        python: {{function: "statistics:fmean", arguments: {{data: "{{{{numbers}}}}"}}}}
      - name: spread
        python: {{function: "statistics:stdev", arguments: {{data: "{{{{numbers}}}}"}}}}
    result: {{mean: "{{{{steps.mean}}}}", spread: "{{{{steps.spread}}}}"}}

  # An HTTP API. Its host stands here, so no argument can change it; secrets stand in variables or in the keyring.
  # - name: weather
  #   description: The weather of a city.
  #   annotations: {{readOnlyHint: true}}
  #   inputSchema:
  #     type: object
  #     properties: {{city: {{type: string}}}}
  #     required: [city]
  #   http:
  #     url: https://weather.example.org/cities/{{{{city}}}}
  #     query: {{units: metric}}
  #     auth: weather

prompts:
  - name: explain
    description: Explain something in plain words.
    arguments:
      - {{name: topic, required: true}}
    messages:
      - {{role: user, text: "Explain {{{{topic}}}} in plain words, with one example."}}

resources:
  - uri: text://style
    name: style
    description: How we write.
    mimeType: text/plain
    text: Short sentences. Plain words.

# auth:
#   weather: {{type: bearer, token: "${{WEATHER_TOKEN}}"}}
"""


def starter(file: str) -> str:
    """The text of a first file that is called `file`."""
    return STARTER.format(file=file)
