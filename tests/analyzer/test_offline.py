import pytest
from nbslim.analyzer.offline import declared_distributions
from nbslim.analyzer.types import Requirements


def installed(specifiers, modules, python="3.11"):
    return declared_distributions(Requirements(tuple(specifiers), "cell 1"), modules, python=python)


@pytest.mark.parametrize(
    ("specifier", "version"),
    [
        ("numpy==2.1.0", "2.1.0"),
        ("numpy", ""),
        ("numpy>=2", ""),
        ("numpy==2.*", ""),
        ("numpy===2.1+cpu", "2.1+cpu"),
    ],
)
def test_version_is_known_where_it_is_declared_exactly(specifier, version):
    assert installed([specifier], ["numpy"]).version("numpy") == version


@pytest.mark.parametrize(
    ("declared", "module", "owner"),
    [
        ("scikit-learn", "sklearn.cluster", "scikit-learn"),
        ("Pillow", "PIL.Image", "pillow"),
        ("opencv-contrib-python", "cv2", "opencv-contrib-python"),
        ("psycopg2", "psycopg2.extras", "psycopg2"),
        ("faiss-gpu", "faiss", "faiss-gpu"),
        ("google-cloud-vision", "google.cloud.vision", "google-cloud-vision"),
        ("scikit-learn-extra", "sklearn", "scikit-learn"),
        ("numpy", "yaml", "pyyaml"),
    ],
)
def test_owner_is_the_declared_distribution_whose_name_fits(declared, module, owner):
    assert installed([declared], [module]).owner(module) == owner


def test_declared_distribution_is_there_even_if_nothing_imports_it():
    assert installed(["numpy", "six"], ["numpy", "json"]).names == ("numpy", "six")


def test_requirement_for_another_python_is_not():
    assert installed(['numpy; python_version < "3.9"'], []).names == ()
    assert installed(['numpy; python_version < "3.9"'], [], python="3.8").names == ("numpy",)
