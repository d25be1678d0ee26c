"""The network of a text model and its loss, against arithmetic."""

import math

import pytest
import torch

from csmoe_model.text.network import TextNetwork, sigmoid_loss


@pytest.fixture
def network():
    torch.manual_seed(0)
    return TextNetwork(
        num_words=5, mean_F=torch.tensor([1.0, 2, 3]), std_F=torch.tensor([1.0, 2, 4])
    )


def test_the_loss_is_the_cross_entropy_of_all_pairs():
    logits = torch.tensor([[2.0, -1.0, 0.0], [-3.0, 4.0, 0.5]])
    is_true = torch.tensor([[True, False, False], [False, True, True]])
    terms = [math.log(1 + math.exp(x)) for x in (-2, -1, 0, -3, -4, -0.5)]
    assert float(sigmoid_loss(logits, is_true)) == pytest.approx(sum(terms) / 3, rel=1e-6)


def test_a_sentence_is_the_projected_mean_of_its_words(network):
    found = network.encode_text(torch.tensor([[2, 5, 0, 0], [1, 1, 2, 3]]))
    weight = network.words.weight
    for one, words in zip(found, ([2, 5], [1, 1, 2, 3]), strict=True):
        vector = network.project(weight[words].mean(0))
        torch.testing.assert_close(one, vector / vector.norm())


def test_the_order_of_words_and_padding_have_no_effect(network):
    found = network.encode_text(torch.tensor([[1, 2, 3, 0], [3, 1, 2, 0], [0, 3, 2, 1]]))
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_features_are_standardised_before_the_head(network):
    image = torch.tensor([[1.0, 4.0, -1.0]])
    vector = network.image_head(torch.tensor([[0.0, 1.0, -1.0]]))
    torch.testing.assert_close(network.encode_images(image), vector / vector.norm())


def test_a_logit_is_the_scaled_cosine_with_the_bias(network):
    images, words = torch.randn(4, 3), torch.tensor([[1, 2], [3, 0]])
    cosine = network.encode_text(words) @ network.encode_images(images).T
    torch.testing.assert_close(network(images, words), 10 * cosine - 3)


def test_every_weight_receives_a_gradient(network):
    logits = network(torch.randn(4, 3), torch.tensor([[1, 2], [3, 4], [5, 1], [2, 2]]))
    sigmoid_loss(logits, torch.eye(4, dtype=torch.bool)).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name
    assert network.words.weight.grad[0].abs().sum() == 0  # no word
