"""What a configuration calls personal is personal in the contract, which is what a server goes by."""

import pytest

from kanarya_contracts.problems import InvalidInput
from kanarya_training_job import quality, reference
from kanarya_training_job.configuration import parse_settings


def test_what_is_personal_reaches_the_contract_and_the_rest_is_not(make_settings, make_table):
    features = {
        "garden": {"kind": "categorical", "personal": "hash"},
        "age": {"personal": "drop"},
        "petal_length": {},
    }
    rows = [{"garden": "north", "age": 30.0, "petal_length": 1.4, "species": "setosa"}] * 10
    rows += [{"garden": "south", "age": 60.0, "petal_length": 5.5, "species": "virginica"}] * 10
    table = make_table(**{name: [row[name] for row in rows] for name in rows[0]})

    checked = quality.validate(table, make_settings(features=features))
    columns = reference.inputs(checked, nullable=False)

    assert {column.name: column.personal for column in columns} == {"garden": "hash", "age": "drop", "petal_length": None}


def test_another_word_for_it_is_refused(tmp_path):
    text = "model: iris\ndata: {source: iris.csv}\ntarget: species\nfeatures:\n  age: {personal: shred}\n"

    with pytest.raises(InvalidInput, match=r"line 5: features\.age\.personal: got 'shred', expected 'hash' or 'drop'"):
        parse_settings(text, source="job.yaml", directory=tmp_path)
