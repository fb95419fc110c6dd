"""The console: web pages for people, below ``/console/``. How a page is made:

- A module has the handlers of one subject (``sinks``) and ends with ``PAGES``, a ``Page`` for each: method, path,
  handler, and who may see it. ``pages.ALL`` has them all, and ``pages.NAVIGATION`` the links at the top of each page.
- A handler takes a ``PageRequest`` and returns its answer: ``page.render("sinks/list.html", …)`` for a whole page, or
  for a part of one that htmx swaps in; ``page.redirect("/console/sinks", said="created")`` after a write.
- It reads and changes everything through the API: ``await page.api.get("/v1/Sinks/{}", sid)``. That is the same
  application in the same process, including everything in front of its operations: credentials, scopes, rate limits,
  the audit trail, forwarding to the primary. No page reads the snapshot or writes a resource directly. If the API
  refuses a request, that is a ``RefusedError``: a page with a form catches it and shows it beside the form; otherwise
  it becomes an error page.
- ``await page.form()`` is the form of a POST, with its CSRF token checked. Each ``<form method="post">`` contains
  ``{{ csrf() }}``; one that creates something also ``{{ only_once() }}``, for ``api.post(…, once=…)``.
- Templates are Jinja's; they escape everything, and an undefined name is an error. All extend ``base.html``;
  ``parts.html`` has common parts: ``time``, ``sid``, ``field``, ``pager``, ``empty``. There are no inline styles or
  scripts: the content security policy of every answer forbids them. Live parts use htmx (``hx-get``,
  ``hx-trigger="every 2s"``, or its ``sse`` extension), and work without scripts as a link or a button.

ADR 0021 says why.
"""
