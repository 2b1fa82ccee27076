"""Reading and writing films through PyAV, the `video` extra.

Frames are uint8 RGB, sRGB-encoded, the right way up. Times are kept as they stand in the file, so that films
with uneven frames stay in step with their sound.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from tf_relight.errors import RelightError
from tf_relight.films.said import orientation, tags_of
from tf_relight.photo.picture import turned

WRITTEN_FILMS = (".mp4", ".mov", ".mkv")
# Playlists and network protocols, which could read other files, stay out.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,gif,h264,hevc,ivf,m4v"
_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_ENCODER, _QUALITY, _EFFORT = "libx264", "18", "veryfast"
"""H.264, which every player knows; 18 is hard to tell from the frames themselves. More effort takes half as
much time again for 0.7 dB more, at 46 dB."""
_CONVERSION = 4 | 0x2000 | 0x40000
"""Bicubic, colour at full width, exact rounding; with swscale's default pictures get 1.3 of 255 darker."""
_HDR_TRANSFERS = (16, 18)  # PQ and HLG
_BT601, _BT709, _UNSPECIFIED = 5, 1, 2
_HIGH_DEFINITION = 720  # lines; from here on, films that do not say mean BT.709
_LARGEST_GAP = 1.0  # seconds; a film that ends so much too early was cut off
MAX_PIXELS = 40_000_000


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a film.

    Attributes:
        time: seconds, as in the file; the first frame is mostly at 0.
        pixels: (H, W, 3) uint8 RGB, sRGB-encoded, the right way up.
    """

    time: Fraction
    pixels: np.ndarray


class Glance:
    """A picture of a film that is turned into pixels only when asked for them.

    Attributes:
        time: as of `Frame`.
        thumbnail: (n, n, 3) uint8, small and squeezed, as it lies in the file.
    """

    def __init__(self, time: Fraction, thumbnail: np.ndarray, read: Callable[[], np.ndarray]) -> None:
        self.time, self.thumbnail, self._read = time, thumbnail, read

    @property
    def pixels(self) -> np.ndarray:
        """As of `Frame`; made anew each time."""
        return self._read()


class Film:
    """A film that can be read several times from its start.

    Attributes:
        path: the file.
        size: height and width of the frames, the right way up.
        rate: mean frames per second.
        count: how many frames there should be, None when the file does not say.
        time_base: the unit of time in the file, seconds.
        sounds: the codecs of its sound tracks.
        tags: what the file says about the film, such as title, creation_time and location.
        notes: sentences for the user.
        broken: how many frames the last reading left out.
    """

    def __init__(self, path: Path | str, *, skip_broken: bool = False) -> None:
        """Open a film and look at its first frame.

        Args:
            skip_broken: leave out frames that cannot be decoded.

        Raises:
            RelightError: missing, not a film, no pictures in it, an unknown codec, or a broken first frame.
        """
        self.path, self.skip_broken, self.broken = Path(path), skip_broken, 0
        _check_file(self.path)
        with self._open() as container:
            stream = _pictures_of(self.path, container)
            rate = stream.average_rate or stream.guessed_rate or Fraction(25)
            self.rate, self.time_base = Fraction(rate), Fraction(stream.time_base or 1 / Fraction(rate))
            self.sounds = tuple(each.codec_context.name for each in _sounds_of(container))
            self.tags = tags_of(container)
            whole = container.duration / av_package().time_base if container.duration else None
            # In files that give one length for everything, the sound may be what lasts so long.
            self._length = None if self.sounds else whole
            if stream.duration:
                self._length = whole = float(stream.duration * stream.time_base)
            self.count = stream.frames or (round(whole * float(rate)) if whole else None)
            hdr = stream.codec_context.color_trc in _HDR_TRANSFERS
        first = next(iter(self), None)
        if first is None:
            raise RelightError(f"{self.path} holds no pictures that can be read.")
        self.size = first.pixels.shape[0], first.pixels.shape[1]
        self.notes = (f"{self.path.name} is an HDR film; its colours will look pale.",) if hdr else ()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order; times grow strictly.

        Raises:
            RelightError: a frame is broken and `skip_broken` is off, or the film ends much too early.
        """
        for time, frame, shape in self._decoded():
            yield Frame(time, _upright(frame, shape))

    def glances(self, side: int) -> Iterator[Glance]:
        """Yield a thumbnail of every frame; whoever wants to see one in full gets it. Raises as iterating."""
        for time, frame, shape in self._decoded():
            small = frame.to_ndarray(format="rgb24", width=side, height=side, interpolation="AREA")
            yield Glance(time, small, functools.partial(_upright, frame, shape))

    def _decoded(self) -> Iterator[tuple[Fraction, Any, tuple[int, int]]]:
        """Yield time and frame of PyAV, and height and width of the first frame."""
        av = av_package()
        self.broken, last, shape, end = 0, None, None, 0.0
        with self._open() as container:
            stream = _pictures_of(self.path, container)
            # Otherwise damaged parts would be painted over with what was there before.
            stream.codec_context.options = {"err_detect": "explode"}
            packets = container.demux(stream)
            while True:
                try:
                    packet = next(packets, None)
                    if packet is None:
                        break
                    decoded = packet.decode()
                except av.error.DecoderNotFoundError as error:
                    raise RelightError(_unknown_codec(self.path)) from error
                except av.error.FFmpegError as error:
                    self._note_broken(last, str(error.strerror))
                    continue
                for frame in decoded:
                    if frame.is_corrupt:
                        self._note_broken(last, "damaged")
                        continue
                    time = _time_of(frame, last, self.rate)
                    last = time if last is None else max(time, last + self.time_base)
                    shape = shape or (frame.height, frame.width)
                    end = float(last) + 1 / float(self.rate)
                    yield last, frame, shape
            start = float((stream.start_time or 0) * stream.time_base)
        if self._length and end - start < min(0.95 * self._length, self._length - _LARGEST_GAP):
            self._note_broken(last, f"it should last {self._length:.1f} s, but was cut off")

    def _note_broken(self, last: Fraction | None, reason: str) -> None:
        self.broken += 1
        if not self.skip_broken:
            where = "at its start" if last is None else f"after {float(last):.2f} s"
            raise RelightError(
                f"{self.path} is broken {where}: {reason}. Copy or export it again, or leave out what cannot "
                "be read with --skip-broken."
            )

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        av = av_package()
        try:
            # "file:" and the absolute path keep names with a colon from meaning another protocol.
            container = av.open(f"file:{os.path.abspath(self.path)}", options=dict(_OPTIONS))
        except (av.error.FFmpegError, OSError) as error:
            raise RelightError(f"{self.path} is not a film that can be read: {error.strerror}.") from error
        with container:
            yield container


class FilmWriter:
    """Writes frames as H.264, and copies the sound of another film; use it as a context.

    Attributes:
        notes: sentences about what could not be kept.
    """

    def __init__(
        self,
        path: Path | str,
        size: tuple[int, int],
        rate: Fraction,
        *,
        time_base: Fraction | None = None,
        sound_from: Path | str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Open the file.

        Args:
            path: .mp4, .mov or .mkv; give a temporary name (`files.atomic_path`).
            size: height and width of the frames; H.264 needs even ones, so an odd side grows by a pixel.
            rate: frames per second.
            time_base: unit of the frames' times, seconds; None takes 1 / rate.
            sound_from: a film whose sound is copied as it is.
            tags: what the file says about the film, see `Film.tags`.

        Raises:
            RelightError: this PyAV has no H.264, or the file cannot be written.
        """
        av = av_package()
        self.notes: tuple[str, ...] = ()
        self._size = size[0] + size[0] % 2, size[1] + size[1] % 2
        self._time_base = time_base or 1 / Fraction(rate)
        self._sound: Any = None
        self._tracks: dict[int, Any] = {}
        self._pending: Any = None
        if _ENCODER not in av.codecs_available:
            raise RelightError("This build of the package av has no H.264 encoder. Install av from PyPI.")
        flags = "+faststart"
        if any(key.startswith("com.") for key in tags or {}):
            flags += "+use_metadata_tags"  # names of makers, which MP4 has no places of its own for
        options = {"movflags": flags} if Path(path).suffix.lower() in (".mp4", ".mov") else {}
        self._file = av.open(os.fspath(path), "w", options=options)
        self._file.metadata.update(tags or {})
        self._stream = self._file.add_stream(
            _ENCODER, rate=Fraction(rate), options={"crf": _QUALITY, "preset": _EFFORT}
        )
        self._stream.height, self._stream.width = self._size
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = self._time_base
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = 1  # 16 to 235, as films are
        if sound_from is not None:
            self._copy_sound_of(Path(sound_from))

    def write(self, frame: Frame) -> None:
        """Add a frame; times must grow."""
        self._mux_sound(frame.time)
        pixels = frame.pixels
        missing = self._size[0] - pixels.shape[0], self._size[1] - pixels.shape[1]
        if any(missing):
            pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
        made = av_package().VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        made = made.reformat(
            format="yuv420p", dst_colorspace=_BT709, dst_color_range=1, interpolation=_CONVERSION
        )
        made.time_base, made.pts = self._time_base, round(frame.time / self._time_base)
        self._file.mux(self._stream.encode(made))

    def __enter__(self) -> FilmWriter:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left and close the file."""
        try:
            if kind is None:
                self._file.mux(self._stream.encode())
                self._mux_sound(None)
        finally:
            if self._sound is not None:
                self._sound.close()
            # Closing writes the end of the file, which has no sense after an error.
            with contextlib.suppress(*(() if kind is None else (Exception,))):
                self._file.close()

    def _copy_sound_of(self, path: Path) -> None:
        av = av_package()
        sound = av.open(f"file:{os.path.abspath(path)}", options=dict(_OPTIONS))
        for stream in _sounds_of(sound):
            name = stream.codec_context.name
            if name in self._file.supported_codecs:
                self._tracks[stream.index] = self._file.add_stream_from_template(stream)
            else:
                self.notes += (f"The sound ({name}) does not fit into this kind of file and was left out.",)
        if self._tracks:
            self._sound = sound
            self._pending = sound.demux([sound.streams[index] for index in self._tracks])
            self._next = next(self._pending, None)
        else:
            sound.close()

    def _mux_sound(self, until: Fraction | None) -> None:
        """Write the sound up to a time, or all that is left."""
        while self._pending is not None and self._next is not None:
            packet = self._next
            start = packet.dts if packet.dts is not None else packet.pts
            if until is not None and start is not None and start * packet.time_base > until:
                return
            if start is not None:  # the last packet of a demuxer is empty
                packet.stream = self._tracks[packet.stream.index]
                self._file.mux(packet)
            self._next = next(self._pending, None)


def av_package() -> Any:
    """Return the package `av`.

    Raises:
        RelightError: it is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise RelightError(
            "Films need the package av. Install it with: pip install 'tf-relight[video]' (GIF and WebP work "
            "without it)."
        ) from error
    # Otherwise FFmpeg prints its own words about broken files in between.
    av.logging.set_level(None)
    return av


def check_film_name(path: Path | str) -> Path:
    """Return the path of a film to write.

    Raises:
        RelightError: not .mp4, .mov or .mkv, or a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITTEN_FILMS:
        raise RelightError(f"Films are written as {', '.join(WRITTEN_FILMS)}, not '{path.name}'.")
    if path.is_dir():
        raise RelightError(f"The output {path} is a folder. Choose another name.")
    return path


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise RelightError(f"{path} is a folder, not a film.")
    if not path.exists():
        raise RelightError(f"There is no film {path}. Check the name.")
    if not path.is_file():
        raise RelightError(f"{path} is no regular file, and a film is read twice. Save it to a file first.")
    if path.stat().st_size == 0:
        raise RelightError(f"{path} is empty (0 bytes). Copy or export it again.")
    if not os.access(path, os.R_OK):
        raise RelightError(f"{path} may not be read. Change its permissions.")


def _pictures_of(path: Path, container: Any) -> Any:
    """Return the first stream of pictures that is not the cover of a record."""
    av = av_package()
    streams = [each for each in container.streams.video if not each.disposition & _cover(av)]
    if not streams:
        raise RelightError(f"{path} holds no pictures, only sound or other data.")
    context = streams[0].codec_context
    if context is None:
        raise RelightError(_unknown_codec(path))
    if context.width * context.height > MAX_PIXELS:
        raise RelightError(f"{path} has frames of {context.width} x {context.height}, which is too large.")
    return streams[0]


def _cover(av: Any) -> Any:
    return av.stream.Disposition.attached_pic


def _sounds_of(container: Any) -> list[Any]:
    return [each for each in container.streams.audio if each.codec_context is not None]


def _unknown_codec(path: Path) -> str:
    return f"{path} uses a codec that is not known here. Convert it to H.264 (.mp4) first."


def _time_of(frame: Any, last: Fraction | None, rate: Fraction) -> Fraction:
    """Return the time of a frame; one without a stamp follows the last after a usual step."""
    if frame.pts is not None and frame.time_base:
        return Fraction(frame.pts * frame.time_base)
    return Fraction(0) if last is None else last + 1 / rate


def _upright(frame: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return the pixels of a frame, turned and mirrored as the file asks.

    Args:
        shape: height and width of the first frame, unturned.
    """
    matrix = frame.colorspace
    if matrix == _UNSPECIFIED:
        matrix = _BT709 if frame.height >= _HIGH_DEFINITION else _BT601
    height, width = shape
    wanted = {"format": "rgb24", "height": height, "width": width, "interpolation": _CONVERSION}
    try:
        pixels = frame.to_ndarray(**wanted, src_colorspace=matrix)
    except ValueError:
        # Matrices that swscale does not know, for example BT.2020 with constant luminance.
        pixels = frame.to_ndarray(**wanted)
    return np.ascontiguousarray(turned(pixels, orientation(frame)))
