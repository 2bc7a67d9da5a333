"""`onduty demo`: a throw-away server with simulated agents, for a first look."""

import asyncio
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Final

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)

# Whoever looks twice sees the same.
_SEED: Final = 7


@app.command()
def demo(
    port: str = typer.Option("0", metavar="PORT", help="The port to listen at; 0 is any that is free."),
    still: bool = typer.Option(False, "--still", help="Let nothing happen: for pictures."),
) -> int:
    """Start a throw-away server with twenty simulated agents at work, until Ctrl-C. Nothing of it is kept."""
    from onduty.background import Wake
    from onduty.cli.demo_live import Play
    from onduty.cli.demo_past import Cast, make_past
    from onduty.cli.demo_scene import VIEWER
    from onduty.clock import wall_ms
    from onduty.identity.service import sign_in_link
    from onduty.rooms import Rooms
    from onduty.server import address, serve, tell
    from onduty.settings import load

    async def play(cast: Cast, rooms: Rooms, wake: Wake) -> None:
        origin = address(rooms.settings, rooms.origins.port)
        link = await sign_in_link(rooms.identity, cast.users[VIEWER])
        tell(f"Sign in as {VIEWER}, once, within 15 minutes:")
        tell(f"{origin}/sign-in#{link}")
        tell("On the command line:")
        tell(f"ONDUTY_SERVER={origin} ONDUTY_TOKEN={cast.secret} onduty who --project checkout")
        if still:
            await wake.wait()
        else:
            await Play(rooms, cast, Random(_SEED)).run(wake)

    with TemporaryDirectory(prefix="onduty-demo-") as folder:
        # What the environment says is for a real server: none of it may be touched.
        settings = load({"data": folder, "port": port, "log_level": "warning"}, {})
        file = settings.sqlite_file
        assert file is not None
        cast = asyncio.run(make_past(Path(file), wall_ms(), Random(_SEED)))
        return serve(settings, partial(play, cast))
