"""The mask-by-mask method: an actor draws one object after another, a critic foresees what is still to come.

After Araslanov, Rothkopf and Roth, "Actor-Critic Instance Segmentation", CVPR 2019. In the order of the data: `views`
(image -> square of training size), `encoder` (-> features, foreground, angles: `context`), `mask_vae` (mask <-> latent
action), `actor` (state -> action), `episode` (one object after another), `rewards` (masks -> rewards), `critic` (state
-> what is still to come), `train`, `predict`. Every setting is in `settings`.
"""
