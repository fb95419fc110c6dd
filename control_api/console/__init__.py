"""The console: the API's pages for people, below ``/console/``. How a page is made:

- A module holds the handlers of one subject (``sinks``) and ends with ``PAGES``, a ``Page`` for each: method, path,
  handler, and who may see it. ``pages.ALL`` has them all, and ``pages.NAVIGATION`` what stands at the top of each.
- A handler takes a ``PageRequest`` and returns its answer: ``page.render("sinks/list.html", …)`` for a whole page, or
  for a part of one that htmx puts in place of an element; ``page.redirect("/console/sinks", said="created")`` after a
  write.
- What it shows, and what it changes, it asks of the API: ``await page.api.get("/v1/Sinks/{}", sid)``. That is the
  same application in the same process, with all that stands before its operations: credentials, scopes, rate limits,
  the audit trail, the way to the primary. No page reads the snapshot or writes a resource by itself. What the API
  refuses is a ``RefusedError``: caught where there is a form to show it beside, else it becomes a page of its own.
- ``await page.form()`` is the form of a POST, with its CSRF token checked. Each ``<form method="post">`` has
  ``{{ csrf() }}`` in it; one that makes something new ``{{ only_once() }}`` as well, for ``api.post(…, once=…)``.
- Templates are Jinja's, escape everything, and know no undefined name. ``base.html`` is what all extend, ``parts.html``
  has what many use: ``time``, ``sid``, ``field``, ``pager``, ``empty``. No style and no script stands in them: the
  policy that every answer carries forbids it. A live part is htmx (``hx-get``, ``hx-trigger="every 2s"``, or its
  ``sse`` extension), and works without scripts as a link or a button.

ADR 0021 says why.
"""
