import errno

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image as PillowImage

from segcritic.errors import UserError
from segcritic.io.images import list_images, read_image, read_labels, read_rgb, stem, write_labels
from segcritic.pixels.preprocess import normalise

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 255, (12, 17)).astype(np.uint8)
RGB = RNG.integers(0, 255, (12, 17, 3)).astype(np.uint8)
CHANNELS = RNG.integers(0, 60_000, (2, 12, 17)).astype(np.uint16)


# Listing and pairing


def test_list_images_sorts_and_skips_what_is_no_image(tmp_path):
    for name in ("b.PNG", "a.tif", "c.Jpeg", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "sub.tif").mkdir()
    assert [p.name for p in list_images(tmp_path)] == ["a.tif", "b.PNG", "c.Jpeg"]
    assert list_images(tmp_path / "a.tif") == [tmp_path / "a.tif"]


def test_list_images_complains_about_missing_and_empty(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no images"):
        list_images(tmp_path)


def test_stem_drops_ome():
    assert [stem(name) for name in ("x/a.tif", "a.ome.tif", "a.OME.TIFF", "a.b.png")] == ["a", "a", "a", "a.b"]


# Pixels of all kinds


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.int32, np.float16, np.float32, np.float64, bool]
)
def test_tiff_of_every_type_keeps_its_values(tmp_path, dtype):
    pixels = (GRAY > 100) if dtype is bool else GRAY.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    image = read_image(tmp_path / "a.tif")
    assert image.pixels.dtype == np.float32
    np.testing.assert_array_equal(image.pixels, pixels.astype(np.float32))
    assert (image.stem, image.pixel_size, image.path) == ("a", None, tmp_path / "a.tif")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_one_bit_images(tmp_path, suffix):
    PillowImage.fromarray(GRAY > 100).convert("1").save(tmp_path / f"a.{suffix}")
    pixels = read_image(tmp_path / f"a.{suffix}").pixels
    np.testing.assert_array_equal(pixels > 0, GRAY > 100)


def test_png_of_16_bits_and_jpeg(tmp_path):
    iio.imwrite(tmp_path / "a.png", CHANNELS[0])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").pixels, CHANNELS[0])
    flat = np.full((16, 16), 90, np.uint8)
    iio.imwrite(tmp_path / "a.jpg", flat)
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg").pixels, flat, atol=2)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_rgb_channels(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    PillowImage.fromarray(RGB).save(path)
    luminance = RGB @ np.array([0.2126, 0.7152, 0.0722])
    for channel in (None, "gray", "Gray"):
        np.testing.assert_allclose(read_image(path, channel).pixels, luminance, rtol=1e-5)
    for channel, k in (("red", 0), ("GREEN", 1), ("blue", 2), (0, 0), ("2", 2)):
        np.testing.assert_array_equal(read_image(path, channel).pixels, RGB[..., k])
    np.testing.assert_allclose(read_image(path, "value").pixels, RGB.max(-1) / 255, rtol=1e-5)
    with pytest.raises(UserError, match="no channel 'DAPI'; choose one of red"):
        read_image(path, "DAPI")
    with pytest.raises(UserError, match="no channel 3; its channels are numbered 0 to 2"):
        read_image(path, 3)


def test_hue_and_saturation_of_pure_colours(tmp_path):
    iio.imwrite(tmp_path / "a.png", np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 128], [60, 60, 60]]], np.uint8))
    np.testing.assert_allclose(read_image(tmp_path / "a.png", "hue").pixels, [[0, 1 / 3], [2 / 3, 0]], atol=1e-6)
    np.testing.assert_allclose(read_image(tmp_path / "a.png", "saturation").pixels, [[1, 1], [1, 0]], atol=1e-6)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_is_dropped(tmp_path, suffix, mode):
    alpha = np.full(GRAY.shape, 7, np.uint8)
    color = GRAY[..., None] if mode == "LA" else RGB
    PillowImage.fromarray(np.dstack([color, alpha]), mode).save(tmp_path / f"a.{suffix}")
    expected = GRAY if mode == "LA" else RGB[..., 1]
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}", None if mode == "LA" else 1).pixels, expected)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_palette_is_colour_in_images_and_number_in_labels(tmp_path, suffix):
    indices = (GRAY % 3).astype(np.uint8)
    picture = PillowImage.fromarray(indices, "P")
    picture.putpalette([0, 0, 0, 200, 0, 0, 0, 0, 255] + [0] * (253 * 3))
    picture.save(tmp_path / f"a.{suffix}")
    red = read_image(tmp_path / f"a.{suffix}", "red").pixels
    np.testing.assert_allclose(red / red.max(), indices == 1)
    np.testing.assert_array_equal(read_labels(tmp_path / f"a.{suffix}"), indices)


# Channels and pixel sizes of microscopes


def test_ome_names_and_pixel_size(tmp_path):
    path = tmp_path / "cells.ome.tif"
    metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}, "PhysicalSizeX": 650, "PhysicalSizeXUnit": "nm",
                "PhysicalSizeY": 0.65, "PhysicalSizeYUnit": "µm"}  # fmt: skip
    tifffile.imwrite(path, CHANNELS, ome=True, metadata=metadata)
    for channel, k in (("DAPI", 0), ("gfp", 1), (1, 1)):
        image = read_image(path, channel)
        np.testing.assert_array_equal(image.pixels, CHANNELS[k])
    assert image.stem == "cells"
    assert image.pixel_size == pytest.approx(0.65)
    with pytest.raises(UserError, match=r"has 2 channels \(0 = DAPI, 1 = GFP\); choose one"):
        read_image(path)
    with pytest.raises(UserError, match="no channel 'RFP'; choose one of DAPI, GFP"):
        read_image(path, "RFP")


def test_ome_without_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", GRAY, ome=True)
    assert read_image(tmp_path / "a.ome.tif").pixel_size is None


def test_imagej_names_and_pixel_size(tmp_path):
    path = tmp_path / "a.tif"
    metadata = {"axes": "CYX", "Labels": ["nuclei", "actin"], "unit": "um"}
    tifffile.imwrite(path, CHANNELS, imagej=True, resolution=(2, 2), metadata=metadata)
    image = read_image(path, "actin")
    np.testing.assert_array_equal(image.pixels, CHANNELS[1])
    assert image.pixel_size == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        (72, "INCH", None),
        (25_400, "INCH", 1.0),
        (20_000, "CENTIMETER", 0.5),
        (1, "NONE", None),
        (4, "MICROMETER", 0.25),
    ],
)
def test_resolution_tags(tmp_path, resolution, unit, expected):
    tifffile.imwrite(tmp_path / "a.tif", GRAY, resolution=(resolution, resolution), resolutionunit=unit)
    assert read_image(tmp_path / "a.tif").pixel_size == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("first", [True, False])
def test_channels_without_axes_names(tmp_path, first):
    pixels = CHANNELS if first else np.moveaxis(CHANNELS, 0, -1)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    with pytest.raises(UserError, match=r"has 2 channels \(0, 1\); choose one by setting 'channel'"):
        read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 1).pixels, CHANNELS[1])


def test_stacks_are_refused_by_name(tmp_path):
    stack = np.zeros((11, 12, 17), np.uint16)
    tifffile.imwrite(tmp_path / "z.ome.tif", stack, ome=True, metadata={"axes": "ZYX"})
    with pytest.raises(UserError, match=r"is a stack \(11 z-slices\); save each plane"):
        read_image(tmp_path / "z.ome.tif")
    tifffile.imwrite(tmp_path / "t.tif", np.zeros((3, 2, 12, 17), np.uint16), imagej=True, metadata={"axes": "TCYX"})
    with pytest.raises(UserError, match="3 time points of 2 channels"):
        read_image(tmp_path / "t.tif", 0)
    tifffile.imwrite(tmp_path / "q.tif", stack, photometric="minisblack")
    with pytest.raises(UserError, match="11 planes"):
        read_labels(tmp_path / "q.tif")


# What cannot be an image


@pytest.mark.parametrize(("shape", "message"), [((1, 1), "an image of one pixel"), ((1, 9), "of 1 x 9 pixels")])
def test_too_small(tmp_path, shape, message):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros(shape, np.uint8))
    with pytest.raises(UserError, match=message):
        read_image(tmp_path / "a.tif")


def test_not_finite_and_complex(tmp_path):
    pixels = GRAY.astype(np.float64)
    pixels[0, :2] = np.nan, 1e300
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(UserError, match="2 pixels that are NaN or infinite"):
        read_image(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "c.tif", GRAY.astype(np.complex64))
    with pytest.raises(UserError, match="pixels of type complex64"):
        read_image(tmp_path / "c.tif")


def test_missing_folder_and_unknown_type(tmp_path):
    (tmp_path / "a.czi").write_bytes(b"")
    for path, message in (
        (tmp_path / "no.tif", "does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "a.czi", "TIFF"),
    ):
        with pytest.raises(UserError, match=message):
            read_image(path)


@pytest.mark.parametrize("kind", ["tif", "zlib.tif", "ome.tif", "png", "bmp"])
def test_a_file_cut_off_anywhere_is_one_user_error(tmp_path, kind):
    path = tmp_path / f"whole.{kind}"
    noise = RNG.integers(0, 255, (40, 50)).astype(np.uint8)
    if kind.endswith("tif"):
        tifffile.imwrite(path, noise, compression="zlib" if "zlib" in kind else None, ome="ome" in kind)
    else:
        iio.imwrite(path, noise)
    whole = path.read_bytes()
    cut = tmp_path / f"cut.{kind}"
    for length in (0, 3, 8, 60, 700, 1400, noise.size - 10):  # all before the end of the pixels, which do not compress
        cut.write_bytes(whole[:length])
        for read in (read_image, read_labels, read_rgb):
            with pytest.raises(UserError, match=r"cannot read .*cut\."):
                read(cut)


def test_a_tiff_whose_directory_comes_last_cut_off(tmp_path):
    PillowImage.fromarray(np.tile(GRAY, (9, 9))).save(tmp_path / "a.tif")
    whole = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="cannot read"):
        read_image(tmp_path / "a.tif")


@given(st.binary(max_size=200), st.sampled_from(["tif", "png", "jpg", "bmp"]))
def test_garbage_is_a_user_error(tmp_path_factory, content, suffix):
    path = tmp_path_factory.mktemp("garbage") / f"a.{suffix}"
    path.write_bytes({"tif": b"II*\x00\x08\x00\x00\x00", "png": b"\x89PNG\r\n\x1a\n"}.get(suffix, b"") + content)
    for read in (read_image, read_rgb):
        with pytest.raises(UserError):
            read(path)


# Colour


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_colour_is_scaled_by_what_the_type_holds(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    PillowImage.fromarray(RGB).save(path)
    image = read_rgb(path)
    assert (image.pixels.dtype, image.stem, image.path) == (np.float32, "a", path)
    assert image.pixels.flags.c_contiguous
    np.testing.assert_allclose(image.pixels, RGB / 255, rtol=1e-6)


def test_colour_of_16_bits_floats_and_with_a_pixel_size(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RGB.astype(np.uint16) * 257, photometric="rgb", resolution=(20_000, 20_000),
                     resolutionunit="CENTIMETER")  # fmt: skip
    image = read_rgb(path)
    np.testing.assert_allclose(image.pixels, RGB / 255, rtol=1e-6)
    assert image.pixel_size == pytest.approx(0.5)
    tifffile.imwrite(path, (RGB / 255).astype(np.float32), photometric="rgb")
    np.testing.assert_allclose(read_rgb(path).pixels, RGB / 255, rtol=1e-6)


def test_grey_alpha_and_palette_in_colour(tmp_path):
    alpha = np.full(GRAY.shape, 7, np.uint8)
    grey = np.repeat(GRAY[..., None] / 255, 3, axis=-1)
    for mode, planes, expected in (("RGBA", RGB, RGB / 255), ("LA", GRAY, grey)):
        PillowImage.fromarray(np.dstack([planes, alpha]), mode).save(tmp_path / f"{mode}.png")
        np.testing.assert_allclose(read_rgb(tmp_path / f"{mode}.png").pixels, expected, rtol=1e-6)
    iio.imwrite(tmp_path / "grey.png", CHANNELS[0])
    np.testing.assert_allclose(read_rgb(tmp_path / "grey.png").pixels[..., 2], CHANNELS[0] / 65535, rtol=1e-6)
    picture = PillowImage.fromarray((GRAY % 2).astype(np.uint8), "P")
    picture.putpalette([255, 0, 0, 0, 0, 255] + [0] * (254 * 3))
    picture.save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "palette.png").pixels[..., 0], GRAY % 2 == 0)
    PillowImage.fromarray(GRAY > 100).convert("1").save(tmp_path / "bit.png")
    np.testing.assert_array_equal(read_rgb(tmp_path / "bit.png").pixels[..., 1], GRAY > 100)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (RGB.astype(np.float32), "values from 0 to 254; save it as 8 bit"),
        (-RGB.astype(np.float32) / 255, "values from -0.996"),
        (np.where(RGB == 254, np.nan, 0).astype(np.float32), r"has [1-9]\d* pixels that are NaN"),
        (RGB.astype(np.complex64), "pixels of type complex64"),
        (RGB[:1, :1], "an image of one pixel"),
    ],
)
def test_what_is_no_colour_image(tmp_path, pixels, message):
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    with pytest.raises(UserError, match=rf"a\.tif .*{message}"):
        read_rgb(tmp_path / "a.tif")


def test_channels_and_stacks_are_no_colour_image(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", CHANNELS, photometric="minisblack")
    with pytest.raises(UserError, match="has 2 channels that are not red, green and blue"):
        read_rgb(tmp_path / "a.tif")
    tifffile.imwrite(tmp_path / "z.tif", np.zeros((11, 12, 17), np.uint16), photometric="minisblack")
    with pytest.raises(UserError, match="is a stack"):
        read_rgb(tmp_path / "z.tif")


# Labels


@given(arrays(np.int32, (5, 6), elements=st.integers(0, 2**31 - 1)), st.none() | st.floats(1e-3, 1e3))
def test_labels_and_pixel_size_survive_a_round_trip(tmp_path_factory, labels, pixel_size):
    path = tmp_path_factory.mktemp("labels") / "a.tif"
    write_labels(path, labels, pixel_size)
    read = read_labels(path)
    assert read.dtype == np.int32
    np.testing.assert_array_equal(read, labels)
    assert read_image(path).pixel_size == (None if pixel_size is None else pytest.approx(pixel_size, rel=1e-5))


def test_labels_are_compressed_and_as_small_as_can_be(tmp_path):
    labels = np.zeros((300, 300), np.int64)
    labels[5:9] = 65_535
    write_labels(tmp_path / "a.tif", labels, 0.65)
    assert (tmp_path / "a.tif").stat().st_size < 5000
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages[0].dtype == np.uint16
        assert tiff.imagej_metadata["unit"] == "um"
    labels[0] = 65_536
    write_labels(tmp_path / "a.tif", labels)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages[0].dtype == np.uint32


def test_labels_from_png_bool_and_whole_floats(tmp_path):
    iio.imwrite(tmp_path / "a.png", CHANNELS[0])
    np.testing.assert_array_equal(read_labels(tmp_path / "a.png"), CHANNELS[0])
    tifffile.imwrite(tmp_path / "f.tif", GRAY.astype(np.float32))
    np.testing.assert_array_equal(read_labels(tmp_path / "f.tif"), GRAY)
    tifffile.imwrite(tmp_path / "b.tif", GRAY > 100)
    np.testing.assert_array_equal(read_labels(tmp_path / "b.tif"), GRAY > 100)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (GRAY / 7, "holds fractions"),
        (np.full((4, 4), np.nan), "holds fractions"),
        (-GRAY.astype(np.int32), "holds the label -"),
        (np.full((4, 4), 2**31, np.uint32), "holds the label 2147483648"),
        (RGB, "is in colour"),
    ],
)
def test_what_is_no_label_image(tmp_path, pixels, message):
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(UserError, match=message):
        read_labels(tmp_path / "a.tif")


def test_jpeg_and_channels_are_no_labels(tmp_path):
    iio.imwrite(tmp_path / "a.jpg", GRAY)
    with pytest.raises(UserError, match="JPEG, which changes label numbers"):
        read_labels(tmp_path / "a.jpg")
    tifffile.imwrite(tmp_path / "a.tif", CHANNELS, photometric="minisblack")
    with pytest.raises(UserError, match="of 2 channels"):
        read_labels(tmp_path / "a.tif")


def test_write_labels_refuses_what_is_none(tmp_path):
    for labels in (np.zeros((2, 2)), np.zeros((2, 2, 2), int), np.full((2, 2), -1)):
        with pytest.raises(ValueError, match="labels must be"):
            write_labels(tmp_path / "a.tif", labels)
    with pytest.raises(ValueError, match="must end in"):
        write_labels(tmp_path / "a.png", np.zeros((2, 2), int))


def test_disk_full_while_writing_labels(tmp_path, monkeypatch):
    def full(path, *args, **kwargs):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(UserError, match=r"cannot write .*a\.tif: No space left on device"):
        write_labels(tmp_path / "a.tif", GRAY)
    assert not list(tmp_path.iterdir())


# Scaling


def test_normalise_puts_the_percentiles_at_0_and_1():
    pixels = np.arange(10_000, dtype=np.uint16).reshape(100, 100)
    scaled = normalise(pixels)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(np.percentile(scaled, [1, 99.8]), [0, 1], atol=1e-5)
    np.testing.assert_allclose(normalise(pixels * 3.0 + 50), scaled, atol=1e-5)


def test_normalise_of_constant_and_of_sparse_images():
    pixels = np.full((50, 50), 7)
    np.testing.assert_array_equal(normalise(pixels), np.zeros((50, 50)))
    pixels[3, 4] = 9
    assert normalise(pixels)[3, 4] == 1
    assert normalise(pixels).sum() == 1


@given(arrays(np.float32, (4, 5), elements=st.floats(-(2.0**127), 2.0**127, width=32)))
def test_normalise_is_always_finite_and_keeps_the_order(pixels):
    scaled = normalise(pixels)
    assert np.isfinite(scaled).all()
    assert (np.diff(scaled.ravel()[np.argsort(pixels, axis=None)]) >= 0).all()
