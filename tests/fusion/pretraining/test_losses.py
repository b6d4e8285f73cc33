from fusion.pretraining.losses import Losses


def test_an_epoch_ends_with_the_mean_of_its_batches():
    losses = Losses()
    for loss in (4.0, 2.0):
        losses.add(loss)
    losses.close_epoch(2.5)
    losses.add(1.0)
    assert losses == Losses([3.0], [2.5], running=1.0, n_running=1)
