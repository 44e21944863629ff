import numpy as np
import pytest

from segcritic.errors import UserError
from segcritic.io.tables import write_measurements


def test_columns_in_order_with_six_digits(tmp_path):
    columns = {
        "label": np.array([1, 20]),
        "name": ["a", 'b,"c"'],
        "area": np.array([1234567.0, 1 / 3]),
        "score": [np.nan, None],
    }
    write_measurements(tmp_path / "t.csv", columns)
    assert (tmp_path / "t.csv").read_text() == 'label,name,area,score\n1,a,1.23457e+06,\n20,"b,""c""",0.333333,\n'


def test_no_rows_still_gives_the_header(tmp_path):
    write_measurements(tmp_path / "t.csv", {"label": [], "area": []})
    assert (tmp_path / "t.csv").read_text() == "label,area\n"


def test_columns_of_different_length(tmp_path):
    with pytest.raises(ValueError, match="equally long"):
        write_measurements(tmp_path / "t.csv", {"a": [1], "b": []})
    assert not list(tmp_path.iterdir())


def test_target_that_is_a_folder(tmp_path):
    with pytest.raises(UserError, match="cannot write"):
        write_measurements(tmp_path, {"a": [1]})
