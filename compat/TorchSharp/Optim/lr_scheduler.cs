namespace TorchSharp;

public static partial class torch
{
    public static partial class optim
    {
        /// <summary>Rules that change the learning rates of an optimizer's groups, one step an epoch (or a batch).</summary>
        public static partial class lr_scheduler
        {
            public static LRScheduler StepLR(Optimizer optimizer, int step_size, double gamma = 0.1, int last_epoch = -1,
                bool verbose = false) => new Step(optimizer, step_size, gamma, last_epoch);

            public static LRScheduler CosineAnnealingLR(Optimizer optimizer, double T_max, double eta_min = 0, int last_epoch = -1,
                bool verbose = false) => new CosineAnnealing(optimizer, T_max, eta_min, last_epoch);

            /// <summary>
            /// A rule gives the rates of <see cref="_epoch"/> from those of the epoch before, so that rules can be chained. Construction
            /// makes the step to epoch 0, at which the rates are the initial ones.
            /// </summary>
            public abstract class LRScheduler
            {
                private protected readonly List<ILearningRateController> _groups;
                private protected int _epoch;
                private double[] _last = [];

                protected LRScheduler(Optimizer optimizer, int last_epoch = -1, bool verbose = false)
                {
                    _groups = optimizer.ParamGroups.ToList();
                    _epoch = last_epoch;
                }

                protected virtual IEnumerable<double> get_lr() => _groups.Select(group => group.LearningRate);

                public IEnumerable<double> get_last_lr() => _last;

                public virtual void step()
                {
                    _epoch++;
                    _last = get_lr().ToArray();
                    for (int i = 0; i < _last.Length; i++) _groups[i].LearningRate = _last[i];
                }
            }

            private sealed class Step : LRScheduler
            {
                private readonly int _size;
                private readonly double _gamma;

                public Step(Optimizer optimizer, int size, double gamma, int lastEpoch) : base(optimizer, lastEpoch)
                {
                    (_size, _gamma) = (size, gamma);
                    step();
                }

                protected override IEnumerable<double> get_lr() =>
                    _groups.Select(group => group.LearningRate * (_epoch > 0 && _epoch % _size == 0 ? _gamma : 1));
            }

            /// <summary>eta_min + (lr_0 - eta_min) (1 + cos(pi t / T_max)) / 2, as a recursion (Loshchilov and Hutter 2017).</summary>
            private sealed class CosineAnnealing : LRScheduler
            {
                private readonly double _period;
                private readonly double _minimum;

                public CosineAnnealing(Optimizer optimizer, double period, double minimum, int lastEpoch) : base(optimizer, lastEpoch)
                {
                    (_period, _minimum) = (period, minimum);
                    step();
                }

                protected override IEnumerable<double> get_lr() => _groups.Select(group => _epoch == 0
                    ? group.LearningRate
                    : (_epoch - 1 - _period) % (2 * _period) == 0
                        ? group.LearningRate + ((group.InitialLearningRate - _minimum) * (1 - Math.Cos(Math.PI / _period)) / 2)
                        : ((1 + Math.Cos(Math.PI * _epoch / _period)) / (1 + Math.Cos(Math.PI * (_epoch - 1) / _period))
                            * (group.LearningRate - _minimum)) + _minimum);
            }
        }
    }
}
