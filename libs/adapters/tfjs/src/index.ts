export { BACKENDS, openBackend, type Backend, type BackendName } from './backend.js';
export { cardMarkdown, modelCard, type CardSource, type ModelCard } from './model-card.js';
export { digestOf, loadModel, modelOf, saveModel, setDefaultVersion, SHIPPED_MODELS, type NeuralModel } from './model-file.js';
export { openNeuralForecaster, trainInWorker, type NeuralForecaster, type NeuralOptions, type Predictions, type Trained, type TrainRequest } from './neural-worker.js';
export { DEFAULT_ARCHITECTURE, type Architecture } from './network.js';
export { Predictor } from './predictor.js';
export type { Refinement } from './refinement.js';
export { generatedHeldOut, STEP_WINDOWS, type HeldOutScore, type TrainingPlan, type TrainingProgress } from './train-model.js';
