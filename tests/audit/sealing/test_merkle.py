"""The Merkle tree, beside the definition of RFC 6962 written down naively and beside the RFC's known roots."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import merkle
from audit.merkle import Edge, consistency_proof, inclusion_proof, leaf_hash, proves_consistency, proves_inclusion

# Input and roots of the test vectors that certificate-transparency implementations share.
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(hashes: list[bytes]) -> bytes:
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def naive_path(m: int, hashes: list[bytes]) -> list[bytes]:
    if len(hashes) == 1:
        return []
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m < k:
        return [*naive_path(m, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(m - k, hashes[k:]), naive_root(hashes[:k])]


def naive_consistency(m: int, hashes: list[bytes], whole: bool = True) -> list[bytes]:
    if m == len(hashes):
        return [] if whole else [naive_root(hashes)]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    if m <= k:
        return [*naive_consistency(m, hashes[:k], whole), naive_root(hashes[k:])]
    return [*naive_consistency(m - k, hashes[k:], False), naive_root(hashes[:k])]


def hashes_of(count: int) -> list[bytes]:
    return [leaf_hash(number.to_bytes(4, "big")) for number in range(count)]


def grown(hashes: list[bytes]) -> Edge:
    edge = Edge()
    for each in hashes:
        edge.append(each)
    return edge


def subtrees(hashes: list[bytes]):
    return lambda level, position: merkle.fold(hashes[position << level : (position + 1) << level])


@pytest.mark.parametrize("size", range(1, 9))
def test_the_known_roots(size: int) -> None:
    edge = grown([leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]])
    assert edge.root().hex() == ROOTS[size - 1]
    assert edge.size == size


def test_the_root_of_nothing() -> None:
    assert Edge().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(size=st.integers(0, 600), cut=st.integers(0, 600))
def test_an_edge_goes_on_where_it_was_packed(size: int, cut: int) -> None:
    hashes = hashes_of(size)
    cut = min(cut, size)
    before = grown(hashes[:cut])
    edge = Edge.unpacked(cut, before.packed())
    for each in hashes[cut:]:
        edge.append(each)
    assert edge.root() == naive_root(hashes)
    assert len(edge.hashes) == size.bit_count()


@given(data=st.data(), size=st.integers(1, 300))
def test_inclusion_proofs_are_those_of_the_definition(data, size: int) -> None:
    hashes = hashes_of(size)
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_proof(index, size, subtrees(hashes))
    assert path == naive_path(index, hashes)
    root = naive_root(hashes)
    assert proves_inclusion(index, size, hashes[index], path, root)
    assert not proves_inclusion(index, size, leaf_hash(b"another"), path, root)
    assert not proves_inclusion(index, size, hashes[index], [*path, root], root)
    if path:
        assert not proves_inclusion(index, size, hashes[index], path[:-1], root)
        assert not proves_inclusion(index, size, hashes[index], [*path[:-1], leaf_hash(b"x")], root)
    other = data.draw(st.integers(0, size - 1))
    assert proves_inclusion(other, size, hashes[index], path, root) == (other == index)


@given(data=st.data(), new=st.integers(1, 300))
def test_consistency_proofs_are_those_of_the_definition(data, new: int) -> None:
    hashes = hashes_of(new)
    old = data.draw(st.integers(1, new))
    path = consistency_proof(old, new, subtrees(hashes))
    assert path == naive_consistency(old, hashes)
    old_root, new_root = naive_root(hashes[:old]), naive_root(hashes)
    assert proves_consistency(old, new, old_root, new_root, path)
    forged = naive_root([*hashes[: old - 1], leaf_hash(b"rewritten")])
    assert not proves_consistency(old, new, forged, new_root, path)
    if old < new:
        assert not proves_consistency(old, new, old_root, leaf_hash(b"x"), path)
        assert not proves_consistency(old, new, old_root, new_root, path[:-1])
        assert not proves_consistency(old, new, old_root, new_root, [*path, new_root])


def test_proofs_of_nothing() -> None:
    assert consistency_proof(0, 5, subtrees(hashes_of(5))) == []
    assert proves_consistency(0, 5, Edge().root(), b"", [])
    assert not proves_consistency(0, 5, b"x", b"", [])
    assert not proves_consistency(6, 5, b"", b"", [])
    for index, size in ((5, 5), (-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(index, size, subtrees(hashes_of(5)))
        assert not proves_inclusion(index, size, b"", [], b"")
    with pytest.raises(ValueError, match="no beginning"):
        consistency_proof(6, 5, subtrees(hashes_of(5)))


def test_an_edge_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not the edge"):
        Edge(3, [bytes(32)])
    with pytest.raises(ValueError, match="not the edge"):
        Edge.unpacked(1, bytes(31))


def test_nodes_of_every_eighth_level_are_handed_out() -> None:
    hashes = hashes_of(70_000)
    found: dict[tuple[int, int], bytes] = {}
    edge = Edge()
    for each in hashes:
        edge.append(each, lambda level, position, node: found.update({(level, position): node}))
    assert sorted(found) == [*((8, n) for n in range(70_000 >> 8)), (16, 0)]
    assert found[16, 0] == merkle.fold(hashes[:65_536])
    assert found[8, 3] == merkle.fold(hashes[768:1024])
