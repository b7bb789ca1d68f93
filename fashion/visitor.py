"""A visitor without a browser: speaks to a running server of the app as the browser does, and measures how long it waits.

For measuring and testing on one's own machine only. The messages are Streamlit's own (`streamlit.proto`), which may change
with its version; a test speaks them to a real server.
"""

import asyncio
import time
import urllib.request
import uuid
from typing import Any

_PATIENCE_SECONDS = 120.0
_LOST_SECONDS = 5.0  # a part that is no longer there is never drawn again, and the server does not say so


class Visitor:
    """One browser tab. Open it, then ask for one thing at a time.

    problems: what pages said that failed, in their words.
    """

    def __init__(self, port: int):
        self._port = port
        self._page, self._query = "", ""
        self._page_hashes: dict[str, str] = {}
        self._session_id = ""
        self._uploader = ""
        self._ticking: dict[
            str, float
        ] = {}  # parts of the page that are drawn again, and every how many seconds
        self._drawn = asyncio.Event()
        self._upload_places: asyncio.Queue = asyncio.Queue()
        self.problems: list[str] = []

    async def __aenter__(self) -> "Visitor":
        from websockets.asyncio.client import connect

        self._socket = await connect(
            f"ws://127.0.0.1:{self._port}/_stcore/stream", subprotocols=["streamlit"], max_size=None
        )
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._socket.close()
        await self._listening

    async def show(self, page: str, query: str = "") -> float:
        """Open a page by its address ("" is the start page); seconds until all of it is here."""
        self._page, self._query = page, query
        self._ticking.clear()
        return await self._ask(_PATIENCE_SECONDS)

    async def drop(self, name: str, photo: bytes) -> float:
        """Drop a photo on the page that is open; seconds until the answer is here."""
        from streamlit.proto.BackMsg_pb2 import BackMsg
        from streamlit.proto.WidgetStates_pb2 import WidgetState

        started = time.perf_counter()
        message = BackMsg()
        message.file_urls_request.request_id = uuid.uuid4().hex
        message.file_urls_request.session_id = self._session_id
        message.file_urls_request.file_names.append(name)
        await self._socket.send(message.SerializeToString())
        place = await asyncio.wait_for(self._upload_places.get(), _PATIENCE_SECONDS)
        await asyncio.to_thread(self._put, place.upload_url, name, photo)
        chosen = WidgetState(id=self._uploader)
        chosen.file_uploader_state_value.uploaded_file_info.add(
            name=name, size=len(photo), file_id=place.file_id, file_urls=place
        )
        await self._ask(_PATIENCE_SECONDS, widgets=[chosen])
        return time.perf_counter() - started

    async def watch(self, seconds: float) -> list[float]:
        """Look at what ticks on the page for so long; the seconds that each new drawing was waited for."""
        waited = []
        ends = time.perf_counter() + seconds
        while time.perf_counter() < ends:
            part, interval = next(iter(self._ticking.items()), ("", 1.0))
            await asyncio.sleep(interval)
            if part:
                try:
                    waited.append(await self._ask(_LOST_SECONDS, part=part))
                except TimeoutError:
                    continue  # the page is being drawn anew
        return waited

    async def _ask(self, patience: float, part: str = "", widgets: list = ()) -> float:
        from streamlit.proto.BackMsg_pb2 import BackMsg

        message = BackMsg()
        run = message.rerun_script
        run.page_name, run.query_string = self._page, self._query
        run.page_script_hash = self._page_hashes.get(self._page, "")
        run.fragment_id, run.is_auto_rerun = part, bool(part)
        run.widget_states.widgets.extend(widgets)
        self._drawn.clear()
        started = time.perf_counter()
        await self._socket.send(message.SerializeToString())
        await asyncio.wait_for(self._drawn.wait(), patience)
        return time.perf_counter() - started

    async def _listen(self) -> None:
        from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

        async for data in self._socket:
            message = ForwardMsg.FromString(data)
            kind = message.WhichOneof("type")
            if kind == "script_finished":
                # Not where the page is drawn anew at once.
                if message.script_finished != ForwardMsg.FINISHED_EARLY_FOR_RERUN:
                    self._drawn.set()
            elif kind == "new_session":
                self._session_id = message.new_session.initialize.session_id or self._session_id
            elif kind == "navigation":
                self._page_hashes[self._page] = message.navigation.page_script_hash
            elif kind == "auto_rerun":
                self._ticking[message.auto_rerun.fragment_id] = message.auto_rerun.interval
            elif kind == "stop_auto_rerun":
                for part in message.stop_auto_rerun.fragment_ids:
                    self._ticking.pop(part, None)
            elif kind == "file_urls_response":
                self._upload_places.put_nowait(message.file_urls_response.file_urls[0])
            elif kind == "delta":
                self._see(message.delta.new_element)

    def _see(self, element: Any) -> None:
        kind = element.WhichOneof("type")
        if kind == "exception":
            self.problems.append(element.exception.message)
        elif kind == "file_uploader" and ".jpg" in element.file_uploader.type:
            self._uploader = element.file_uploader.id

    def _put(self, address: str, name: str, photo: bytes) -> None:
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{address}",
            data=head.encode() + photo + f"\r\n--{boundary}--\r\n".encode(),
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            method="PUT",
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS):
            pass
