import io

import numpy as np
import soundfile

from zerosum.sounds import encode, in_a_row


def test_a_wave_is_a_file_of_sixteen_bits() -> None:
    wave = np.array([[0.0, 0.5, -1.0, 3.0], [0.25, -0.5, 1.0, -3.0]], np.float32)
    with soundfile.SoundFile(io.BytesIO(encode(wave, 11_025))) as file:
        assert (file.samplerate, file.channels, file.subtype) == (11_025, 2, "PCM_16")
        read = file.read(dtype="float32")
    np.testing.assert_allclose(read.T, wave.clip(-1, 1), atol=1e-4)
    assert encode(wave, 11_025) == encode(wave, 11_025)


def test_waves_stand_in_a_row_with_pauses() -> None:
    row = in_a_row(np.arange(1, 13, dtype=np.float32).reshape(2, 2, 3), 20)
    assert row.tolist() == [[1, 2, 3, 0, 0, 7, 8, 9, 0, 0], [4, 5, 6, 0, 0, 10, 11, 12, 0, 0]]
