"""The JSON Schema knows every key of the format."""

from importer.mapping.spec import Contact, MappingSpec, Rule, mapping_schema


def test_every_key_of_the_models_is_in_the_schema_with_a_description() -> None:
    schema = mapping_schema()
    parts = ((MappingSpec, schema), *((m, schema["$defs"][m.__name__]) for m in (Rule, Contact)))
    for model, described in parts:
        keys = {field.alias or name for name, field in model.model_fields.items()}
        assert set(described["properties"]) == keys
        assert described["additionalProperties"] is False
        for key, part in described["properties"].items():
            assert "description" in part or "$ref" in part, key


def test_the_schema_says_nothing_of_null() -> None:
    assert '"null"' not in str(mapping_schema()).replace("'", '"')
