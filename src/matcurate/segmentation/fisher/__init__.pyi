"""Fisher scores of a model that predicts a pixel from its neighbours: what they say about where texture changes."""

from .features import pyramid_scores as pyramid_scores
from .mixture import MixturePath as MixturePath
from .mixture import bayesian_mixture as bayesian_mixture
from .mixture import mixture_path as mixture_path
from .neighbours import Neighbourhood as Neighbourhood
from .paper import PaperSettings as PaperSettings
from .paper import averaged_scores as averaged_scores
from .regressors import LinearRegressor as LinearRegressor
from .regressors import NeuralRegressor as NeuralRegressor
from .regressors import fit_linear as fit_linear
from .regressors import fit_neural as fit_neural
