set terminal svg size 720,614 dynamic enhanced font "sans,13" background rgb "white"
set encoding utf8
set xlabel "count" noenhanced
set ylabel "scratch.test.accuracy (%)" noenhanced
set grid lc rgb "#cccccc"
set border 3
set tics nomirror
set key below noenhanced height 1.5
set title "scratch.test.accuracy (%) against count, mean ± 95 % interval over 5 seeds" noenhanced
set xrange [11.4:24.6]
set xtics ("12" 12.0, "24" 24.0) noenhanced
$line0 << EOD
12.0 87.07000000000001 0.6549704031818043
24.0 84.54 1.1692427550868352
EOD
$line1 << EOD
12.0 87.13 0.6415931517279768
24.0 83.47 0.8172847111818603
EOD
$line2 << EOD
12.0 87.07000000000001 0.6549704031818043
24.0 84.54 1.1692427550868352
EOD
$line3 << EOD
12.0 87.02 0.4061589034289156
24.0 81.30999999999999 2.512030807891079
EOD
$line4 << EOD
12.0 87.09 0.7721812469267647
24.0 83.41 0.7455155794072663
EOD
$line5 << EOD
12.0 86.79 0.545484913169945
24.0 83.28999999999999 0.725869169551778
EOD
plot $line0 using ($1+(-0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#0072B2" title "relevance", \
     $line1 using ($1+(-0.28800000000000003)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 2 lc rgb "#D55E00" title "relevance, classWeights false", \
     $line2 using ($1+(-0.096)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 3 lc rgb "#009E73" title "relevance, place output", \
     $line3 using ($1+(0.096)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 4 lc rgb "#CC79A7" title "l1", \
     $line4 using ($1+(0.2880000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 5 lc rgb "#E69F00" title "taylor", \
     $line5 using ($1+(0.4800000000000001)):2:3 with yerrorlines lw 2 pt 7 ps 0.5 dt 1 lc rgb "#56B4E9" title "random"
