"""An API with a page that talks to it by fetch, WebSocket and server-sent events."""

import asyncio

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse, StreamingResponse

app = FastAPI()

PAGE = """<!doctype html>
<html lang="en">
  <title>FastAPI</title>
  <link rel="icon" href="data:,">
  <h1>FastAPI</h1>
  <p id="text">untouched</p>
  <p id="fetched"></p>
  <p id="echoed"></p>
  <p id="streamed"></p>
  <script>
    const show = (id, text) => {
      document.getElementById(id).textContent = text;
      const all = [...document.querySelectorAll('p')].every((p) => p.textContent);
      if (all) document.documentElement.dataset.hydrated = 'yes';
    };
    fetch('/url_for').then((r) => r.json()).then((r) => show('fetched', r.index));
    const socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/ws`);
    socket.onopen = () => socket.send('hello');
    socket.onmessage = (event) => show('echoed', event.data);
    const events = new EventSource('/events');
    events.onmessage = (event) => show('streamed', event.data);
  </script>
</html>
"""


@app.get("/", response_class=HTMLResponse)
async def index():
    """The page; FastAPI answers HEAD with 405."""
    return PAGE


@app.get("/url_for")
async def url_for(request: Request):
    """The public address of the page, as uvicorn was told."""
    return {"index": str(request.url_for("index"))}


@app.websocket("/ws")
async def echo(socket: WebSocket):
    """Sends back every text."""
    await socket.accept()
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


@app.get("/events")
async def events():
    """One event at once, then silence, as long as the client stays."""

    async def stream():
        yield "data: first\n\n"
        while True:
            await asyncio.sleep(15)
            yield ": still here\n\n"

    return StreamingResponse(stream(), media_type="text/event-stream")
