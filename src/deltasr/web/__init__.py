"""The page in the browser and the HTTP API: one process, one queue, one worker.

Starlette and uvicorn (extra `web`) load with `app` and `server`, not with this package.
"""
